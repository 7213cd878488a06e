import { expect, it, vi } from "vitest";
import { sleep } from "../../../src/base/clock.ts";
import type { Settlement } from "../../../src/contract/index.ts";
import { withAhead } from "../../../src/emulation/ahead.ts";
import { withIds } from "../../../src/emulation/ids.ts";
import { withPriority } from "../../../src/emulation/priority.ts";
import { bareBroker } from "../../support/bare-broker.ts";
import { consume, done, spec, v, withAllLanes, written } from "./setup.ts";

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

it("a steady trickle in front does not stop the lanes behind while slots are free", async () => {
  const queue = await withAllLanes().open(spec("q"));
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
