import { expect, it } from "vitest";
import { sleep } from "../../../src/base/clock.ts";
import { consume, done, spec, v, withAllLanes, written } from "./setup.ts";

it("delivers what is ahead, then by level, then in order", async () => {
  const broker = withAllLanes();
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

it("retries stay in their lane", async () => {
  const queue = await withAllLanes().open(spec("q"));
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
