import { expect, it } from "vitest";
import { memory } from "../../../adapters/memory/broker.ts";
import { sleep } from "../../../src/base/clock.ts";
import type { Settlement } from "../../../src/contract/index.ts";
import { withAhead } from "../../../src/emulation/ahead.ts";
import { wrapBroker } from "../../../src/index.ts";
import { consume, done, spec, v, withAllLanes, written } from "./setup.ts";

it("clears what waits in all lanes, what it has fetched included, and nothing that runs", async () => {
  const queue = await withAllLanes().open(spec("q"));
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

it("asks a running message to end in whichever lane it is", async () => {
  const base = wrapBroker(memory(), (_, name) => ({
    askToEnd: async (ids) => ids.filter((id) => id.startsWith(`${name} `)),
  }));
  const queue = await withAhead(base).open(spec("q"));
  expect(await queue.askToEnd?.(["q.sub 1"])).toEqual(["q.sub 1"]);
  expect((await queue.askToEnd?.(["q 2", "q.sub 1", "other 3"]))?.toSorted()).toEqual(["q 2", "q.sub 1"]);
});
