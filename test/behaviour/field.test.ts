/** What other libraries got wrong, where the core alone decides; the other cases are in the kit's clause of that name. */
import { boost, configure, consumeAll, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, expect, it } from "vitest";
import { setClock, sleep } from "../../src/base/clock.ts";
import type { BrokerQueue, Consumer } from "../../src/contract/index.ts";
import { quickClock } from "../support/quick-clock.ts";

configure({ signals: false, log: { level: "silent" } });
afterEach(async () => {
  setClock();
  await shutdown({ grace: 100 });
});

/** Deadlines of ten seconds and more come a hundred times sooner. */
const hasty = quickClock((ms) => (ms >= 10_000 ? ms / 100 : ms));

it("shutdown() stops all queues at once, not one after another", async () => {
  const broker = memory();
  let open = () => {};
  const door = new Promise<void>((resolve) => (open = resolve));
  let quick = 0;
  let slow = 0;
  const first = boost({ queue: "field.slow", broker, concurrency: 1 }, () => {
    slow++;
    return door;
  });
  const second = boost({ queue: "field.quick", broker, concurrency: 1 }, (_n: number) => {
    quick++;
    return sleep(20);
  });
  await consumeAll([first, second]);
  await first.push();
  await second.pushMany(Array.from({ length: 200 }, (_, n) => [n]));
  await expect.poll(() => slow === 1 && quick > 1, { timeout: 10_000 }).toBe(true);
  const stopping = shutdown({ grace: "20s" });
  const started = quick;
  await sleep(300);
  expect(quick).toBeLessThanOrEqual(started + 1);
  open();
  await stopping;
  expect(slow).toBe(1);
});

it("an engine that never answers does not hang consume(): it is tried again, and what comes too late is closed", async () => {
  setClock(hasty);
  let tries = 0;
  let closed = 0;
  let answer = (_: Consumer) => {};
  const late = new Promise<Consumer>((resolve) => (answer = resolve));
  const honest = memory();
  const consume =
    (queue: BrokerQueue): BrokerQueue["consume"] =>
    (handler, options) =>
      ++tries === 1 ? late : queue.consume(handler, options);
  const broker = {
    ...honest,
    open: async (spec: Parameters<typeof honest.open>[0]) => {
      const queue = await honest.open(spec);
      return { ...queue, consume: consume(queue) };
    },
  };
  const task = boost({ queue: "field.hangs", broker, rpc: true }, (n: number) => n + 1);
  await task.consume();
  expect(tries).toBe(2);
  expect(await (await task.push(1)).waitResult()).toBe(2);
  answer({
    setWindow() {},
    status: () => ({ held: [] }),
    close: async ({ force } = {}) => void (closed += force ? 1 : 0),
  });
  await expect.poll(() => closed).toBe(1);
});
