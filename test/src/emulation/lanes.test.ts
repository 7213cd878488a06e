import { expect, it, vi } from "vitest";
import { memory } from "../../../adapters/memory/broker.ts";
import { memoryStore } from "../../../adapters/memory/store.ts";
import { sleep } from "../../../src/base/clock.ts";
import type { Settlement } from "../../../src/contract/index.ts";
import { withAhead } from "../../../src/emulation/ahead.ts";
import { withDelay } from "../../../src/emulation/delay.ts";
import { withIds } from "../../../src/emulation/ids.ts";
import { withPriority } from "../../../src/emulation/priority.ts";
import { withRetry } from "../../../src/emulation/retry.ts";
import { wrapBroker } from "../../../src/index.ts";
import { bareBroker } from "../../support/bare-broker.ts";
import { consume, done, spec, written } from "./setup.ts";

const laned = () => withPriority(withAhead(withRetry(withDelay(withIds(bareBroker()), memoryStore()))));
const v = (value: unknown, more: object = {}) => ({ body: { v: value }, ...more });

it("delivers what is ahead, then by level, then in order", async () => {
  const broker = laned();
  expect(broker.features).toMatchObject({ ahead: true, priority: true });
  const queue = await broker.open(spec("q"));
  const order = [
    v("low", { priority: -5 }),
    v("a"),
    v("b"),
    v("one", { priority: 1 }),
    v("top", { priority: 500 }),
    v("ten", { priority: 10 }),
    v("child", { ahead: true }),
  ];
  await queue.publish([...order, v("two", { priority: 2 }), v("child of a low one", { ahead: true, priority: -9 })]);
  expect(await queue.count?.()).toEqual({ ready: 9, delayed: 0, running: 0 });
  expect((await queue.peek?.(3))?.map(written)).toEqual(["child", "child of a low one", "top"]);
  const { got, consumer } = await consume(queue, () => sleep(1).then(() => done));
  consumer.setWindow(1);
  await expect.poll(() => got).toHaveLength(9);
  expect(got.map(written)).toEqual(["child", "child of a low one", "top", "ten", "one", "two", "a", "b", "low"]);
  expect(got.map(({ ahead = false }) => ahead)).toEqual([true, true, ...Array(7).fill(false)]);
  await consumer.close();
});

it("publishes to several lanes and answers in order", async () => {
  const queue = await laned().open(spec("q"));
  const published = await queue.publish([
    v(1, { id: "a" }),
    v(2, { id: "b", priority: 5 }),
    v(3, { id: "c" }),
    v(4, { id: "d", ahead: true }),
  ]);
  expect(published.map(({ id }) => id)).toEqual(["a", "b", "c", "d"]);
});

it("never hands on more than the window, holds at most one more for each lane, and counts that as waiting", async () => {
  const bare = bareBroker();
  const queue = await withPriority(withAhead(withIds(bare))).open(spec("q"));
  const finish: (() => void)[] = [];
  const all = await consume(queue, () => new Promise((resolve) => finish.push(() => resolve(done))));
  await queue.publish(
    Array.from({ length: 60 }, (_, i) => v(i, { priority: [0, 5, 50, -1][i % 4], ahead: i % 10 === 0 })),
  );
  all.consumer.setWindow(4);
  await expect.poll(() => all.got).toHaveLength(4);
  await sleep(20);
  expect(all.peak()).toBe(4);
  expect(await queue.count?.()).toEqual({ ready: 56, delayed: 0, running: 4 });
  const inside = await Promise.all(
    ["", ".sub", ".p1", ".p3", ".p4", ".p5"].map(
      async (suffix) => (await (await bare.open(spec(`q${suffix}`))).count?.())?.running ?? 0,
    ),
  );
  expect(inside.reduce((a, b) => a + b)).toBeLessThanOrEqual(4 + 6 * 4);
  while (all.settled.length < 60) {
    for (const each of finish.splice(0)) each();
    await sleep(1);
  }
  expect(all.peak()).toBe(4);
  await all.consumer.close();
});

it("gives back what it holds unstarted when the window goes to 0, and at close", async () => {
  const bare = bareBroker();
  const queue = await withAhead(withIds(bare)).open(spec("q"));
  let finish = () => {};
  const first = await consume(queue, () => new Promise<Settlement>((resolve) => (finish = () => resolve(done))));
  await queue.publish([1, 2, 3].map((n) => v(n)));
  first.consumer.setWindow(1);
  await expect.poll(() => first.got).toHaveLength(1);
  const main = await bare.open(spec("q"));
  await expect.poll(() => main.count?.()).toMatchObject({ ready: 1, running: 2 });
  first.consumer.setWindow(0);
  await expect.poll(() => main.count?.()).toMatchObject({ ready: 2, running: 1 });
  finish();
  await first.consumer.close();
  expect(first.settled).toHaveLength(1);
  const second = await consume(queue);
  second.consumer.setWindow(1);
  await expect.poll(() => second.got.map(written)).toEqual([2, 3]);
  await second.consumer.close();
});

it("clears what waits in all lanes, what it has fetched included, and nothing that runs", async () => {
  const queue = await laned().open(spec("q"));
  let finish = () => {};
  const { got, settled, consumer } = await consume(
    queue,
    () => new Promise<Settlement>((resolve) => (finish = () => resolve(done))),
  );
  await queue.publish([
    v(1),
    v(2),
    v(3, { priority: 5 }),
    v(4, { ahead: true }),
    v(5, { delayMs: 1_000, priority: 7 }),
  ]);
  consumer.setWindow(1);
  await expect.poll(() => got).toHaveLength(1);
  await sleep(20);
  await queue.clear?.();
  expect(await queue.count?.()).toEqual({ ready: 0, delayed: 0, running: 1 });
  finish();
  await expect.poll(() => settled).toHaveLength(1);
  await queue.publish([v(6)]);
  await expect.poll(() => got.map(written).at(-1)).toBe(6);
  finish();
  await consumer.close();
});

it("retries stay in their lane", async () => {
  const queue = await laned().open(spec("q"));
  const { got, consumer } = await consume(queue, ({ attempt, ahead }) =>
    ahead && attempt === 1 ? { outcome: "retry", error: new Error("again"), delayMs: 0 } : done,
  );
  await queue.publish([v("a"), v("b"), v("c"), v("child", { ahead: true })]);
  consumer.setWindow(1);
  await expect.poll(() => got).toHaveLength(5);
  expect(got.filter(({ ahead }) => ahead).map(({ attempt }) => attempt)).toEqual([1, 2]);
  expect(written(got[0] as never)).toBe("child");
  await consumer.close();
});

it("a steady trickle in front does not stop the lanes behind while slots are free", async () => {
  const queue = await laned().open(spec("q"));
  const { got, consumer } = await consume(queue);
  consumer.setWindow(2);
  let more = true;
  const trickle = (async () => {
    while (more) {
      await queue.publish([v("child", { ahead: true })]);
      await sleep(1);
    }
  })();
  await queue.publish(Array.from({ length: 20 }, (_, i) => v(i)));
  await vi.waitFor(() => expect(got.filter(({ ahead }) => !ahead)).toHaveLength(20), { timeout: 2_000 });
  more = false;
  await trickle;
  await consumer.close();
});

it("asks a running message to end in whichever lane it is", async () => {
  const base = wrapBroker(memory(), (_, name) => ({
    askToEnd: async (ids) => ids.filter((id) => id.startsWith(`${name} `)),
  }));
  const queue = await withAhead(base).open(spec("q"));
  expect(await queue.askToEnd?.(["q.sub 1"])).toEqual(["q.sub 1"]);
  expect((await queue.askToEnd?.(["q 2", "q.sub 1", "other 3"]))?.toSorted()).toEqual(["q 2", "q.sub 1"]);
});
