import { expect, it, vi } from "vitest";
import { memoryStore } from "../../../adapters/memory/store.ts";
import { sleep } from "../../../src/base/clock.ts";
import { FunboostError } from "../../../src/base/errors.ts";
import type { Store } from "../../../src/contract/index.ts";
import { withDelay } from "../../../src/emulation/delay.ts";
import { withIds } from "../../../src/emulation/ids.ts";
import { stopwatch } from "../../conformance/machine.ts";
import { bareBroker } from "../../support/bare-broker.ts";
import { consume, flaky, spec, written } from "./setup.ts";

const delayed = (store: Store = memoryStore(), bare = bareBroker()) => withDelay(withIds(bare), store);

it("delivers when due, under the id that publish answered, with the first publish time", async () => {
  const queue = await delayed().open(spec("q"));
  const { got, consumer } = await consume(queue);
  consumer.setWindow(5);
  const start = performance.now();
  const ranMs = stopwatch();
  const published = await queue.publish([
    { body: { v: 1 }, delayMs: 60 },
    { body: { v: 2 } },
    { body: { v: 3 }, delayMs: 30 },
    { body: { v: 4 }, delayMs: 0 },
  ]);
  const publishedAt = Date.now();
  await vi.waitFor(() => expect(got).toHaveLength(4), { interval: 2, timeout: 15_000 });
  expect(performance.now() - start).toBeGreaterThanOrEqual(60);
  expect(ranMs()).toBeLessThan(300);
  expect(got.map(written)).toEqual([2, 4, 3, 1]);
  expect(got.map(({ id }) => id)).toEqual([1, 3, 2, 0].map((i) => published[i]?.id));
  for (const each of got) expect(each.publishedAt).toBeLessThanOrEqual(publishedAt);
  await consumer.close();
});

it("counts, clears and survives a consumer that comes later", async () => {
  const store = memoryStore();
  const broker = delayed(store);
  const queue = await broker.open(spec("q"));
  await queue.publish([{ body: { v: 1 }, delayMs: 20 }, { body: { v: 2 } }]);
  expect(await queue.count?.()).toMatchObject({ ready: 1, delayed: 1 });
  await sleep(40);
  const { got, consumer } = await consume(queue);
  consumer.setWindow(1);
  await expect.poll(() => got.map(written).sort()).toEqual([1, 2]);
  await expect.poll(() => queue.count?.()).toEqual({ ready: 0, delayed: 0, running: 0 });
  await queue.publish([{ body: { v: 3 }, delayMs: 30 }]);
  await queue.clear?.();
  await sleep(60);
  expect(got).toHaveLength(2);
  await consumer.close();
});

it("keeps what the engine does not take, and publishes it when it does", async () => {
  const failing: { next?: Error | undefined } = {};
  const queue = await withDelay(flaky(withIds(bareBroker()), failing), memoryStore()).open(spec("q"));
  const { got, errors, consumer } = await consume(queue);
  consumer.setWindow(1);
  failing.next = new FunboostError("BROKER_DOWN", "gone");
  await queue.publish([{ body: { v: 1 }, delayMs: 10 }]);
  await expect.poll(() => errors.join()).toContain("gone");
  failing.next = undefined;
  await vi.waitFor(() => expect(got.map(written)).toEqual([1]), { timeout: 3_000 });
  await consumer.close();
});

it("one message that is refused for good holds up no other", async () => {
  const bare = withIds(bareBroker());
  const picky = {
    ...bare,
    open: async (opened: ReturnType<typeof spec>) => {
      const queue = await bare.open(opened);
      const publish: typeof queue.publish = async (messages) => {
        if (messages.some(({ body }) => (body as { v: number }).v === 2))
          throw new FunboostError("BAD_MESSAGE", "too large");
        return queue.publish(messages);
      };
      return { ...queue, publish };
    },
  };
  const queue = await withDelay(picky, memoryStore()).open(spec("q"));
  const { got, errors, consumer } = await consume(queue);
  await queue.publish([1, 2, 3].map((v) => ({ body: { v }, delayMs: 10 })));
  consumer.setWindow(1);
  await expect.poll(() => got.map(written)).toEqual([1, 3]);
  expect(errors.join()).toContain("too large");
  expect(await queue.count?.()).toMatchObject({ delayed: 1 });
  await consumer.close();
});

it("does not publish twice when only the acknowledgement failed", async () => {
  const store = memoryStore();
  let fail = true;
  const timers: Store["timers"] = {
    ...store.timers,
    ack: async (leased) => {
      if (fail) throw new Error("the store is away");
      return store.timers.ack(leased);
    },
  };
  const queue = await delayed({ ...store, timers }).open(spec("q"));
  const { got, errors, consumer } = await consume(queue);
  consumer.setWindow(1);
  await queue.publish([{ body: { v: 1 }, delayMs: 10 }]);
  await expect.poll(() => errors.length).toBeGreaterThan(0);
  fail = false;
  await vi.waitFor(async () => expect(await queue.count?.()).toMatchObject({ delayed: 0 }), { timeout: 3_000 });
  expect(got).toHaveLength(1);
  await consumer.close();
});

it("says what was accepted when the second half of a publish fails, and is as durable as its weaker half", async () => {
  const failing = { next: new Error("no") };
  const broker = withDelay(flaky(withIds(bareBroker()), failing), memoryStore());
  const queue = await broker.open(spec("q"));
  await expect(
    queue.publish([
      { body: { v: 1 }, id: "later", delayMs: 1_000 },
      { body: { v: 2 }, id: "now" },
    ]),
  ).rejects.toMatchObject({ accepted: ["later"] });
  expect(broker.features).toMatchObject({ delay: true, durable: false });
});
