/** Emulated delay: whatever a process that slept publishes late, each timer's message runs once. */
import { wrapBroker } from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { setClock } from "../../../src/base/clock.ts";
import type { Delivery, Settlement } from "../../../src/contract/index.ts";
import { withDelay } from "../../../src/emulation/delay.ts";
import { withIds } from "../../../src/emulation/ids.ts";
import { gate } from "../../conformance/until.ts";
import { bareBroker } from "../../support/bare-broker.ts";
import { handClock } from "../../support/hand-clock.ts";

const store = memoryStore();
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  setClock();
  await Promise.all(stops.splice(0).map((stop) => stop()));
});

const spec = { queue: "q", options: {}, leaseMs: 1_000 };

/** Two processes on one queue; what the first one's pump publishes waits until it wakes. */
async function two() {
  const inner = bareBroker(memory());
  const awake = gate();
  const late: number[] = [];
  const sleepy = wrapBroker(inner, ({ publish }) => ({
    async publish(messages) {
      late.push(messages.length);
      await awake.opened;
      return publish(messages);
    },
  }));
  const open = (broker: typeof inner) => withDelay(withIds(broker), store).open(spec);
  const [sleeper, other] = [await open(sleepy), await open(inner)];
  const ran: unknown[] = [];
  const settled: string[] = [];
  const consume = async (queue: typeof other, answer: () => Promise<Settlement>) => {
    const handler = ({ body }: Delivery) => {
      ran.push((JSON.parse(String(body)) as { n: unknown }).n);
      return answer();
    };
    const consumer = await queue.consume(handler, {
      signal: false,
      onSettled: (_, how) => settled.push(how),
      onError() {},
    });
    stops.push(() => consumer.close());
    return consumer;
  };
  return { sleeper, other, awake, late, ran, settled, consume };
}

const done = async (): Promise<Settlement> => ({ outcome: "done" });

describe("a timer that fires twice", () => {
  it("runs once: its lease ended while its process slept, and another published it", async () => {
    const { pass } = handClock();
    const { sleeper, other, awake, late, ran, settled, consume } = await two();
    await other.publish([1, 2, 3].map((n) => ({ id: `m${n}`, body: { n }, delayMs: 100 })));
    await consume(sleeper, done);
    await pass(1_000);
    expect(late).toEqual([3]);
    const consumer = await consume(other, done);
    consumer.setWindow(10);
    await pass(12_000);
    expect(ran).toEqual([1, 2, 3]);
    awake.open();
    await pass(1_000);
    expect([ran, settled]).toEqual([
      [1, 2, 3],
      ["applied", "applied", "applied"],
    ]);
    expect(await other.count?.()).toMatchObject({ ready: 0, delayed: 0 });
  });

  it("runs again under its id when it was published again", async () => {
    const { pass } = handClock();
    const { other, ran, consume } = await two();
    (await consume(other, done)).setWindow(1);
    for (const n of [1, 2]) {
      await other.publish([{ id: "same", body: { n }, delayMs: 100 }]);
      await pass(1_000);
    }
    expect(ran).toEqual([1, 2]);
  });

  it("is delivered again, the same firing, to whoever did not finish it", async () => {
    const { pass } = handClock();
    const { other, ran, consume } = await two();
    const outcomes: Settlement["outcome"][] = ["returned", "done"];
    (await consume(other, async () => ({ outcome: outcomes.shift() }) as Settlement)).setWindow(1);
    await other.publish([{ id: "again", body: { n: 1 }, delayMs: 100 }]);
    await pass(2_000);
    expect(ran).toEqual([1, 1]);
  });

  it("is not run by a pump whose lease was over when it heard of it", async () => {
    const { pass, standStill } = handClock();
    const inner = bareBroker(memory());
    const published: unknown[] = [];
    const seen = wrapBroker(inner, ({ publish }) => ({
      publish: (messages) => {
        published.push(...messages);
        return publish(messages);
      },
    }));
    let slept = false;
    const lease: typeof store.timers.lease = async (...asked) => {
      const answer = await store.timers.lease(...asked);
      if (!slept && answer.entries.length > 0) {
        slept = true;
        standStill(9_500);
      }
      return answer;
    };
    const queue = await withDelay(withIds(seen), { ...store, timers: { ...store.timers, lease } }).open({
      ...spec,
      queue: "late",
    });
    await queue.publish([{ id: "a", body: { n: 1 }, delayMs: 100 }]);
    const consumer = await queue.consume(done, { signal: false, onSettled() {}, onError() {} });
    stops.push(() => consumer.close());
    await pass(400);
    expect([slept, published.length]).toEqual([true, 0]);
    await pass(2_000);
    expect(published.length).toBe(1);
  });
});
