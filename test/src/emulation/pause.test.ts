import { expect, it } from "vitest";
import { memoryStore } from "../../../adapters/memory/store.ts";
import { sleep } from "../../../src/base/clock.ts";
import { withIds } from "../../../src/emulation/ids.ts";
import { withPause } from "../../../src/emulation/pause.ts";
import { wrapBroker } from "../../../src/index.ts";
import { bareBroker } from "../../support/bare-broker.ts";
import { consume, spec, written } from "./setup.ts";

it("stops every consumer of the queue, whoever pauses it, and lets it go on", async () => {
  const store = memoryStore();
  const bare = bareBroker();
  const [here, there] = [withPause(withIds(bare), store), withPause(withIds(bare), store)];
  const queue = await here.open(spec("q"));
  const other = await there.open(spec("q"));
  const { got, consumer } = await consume(queue);
  consumer.setWindow(2);
  await other.setPaused?.(true);
  await expect.poll(() => queue.paused?.()).toBe(true);
  await sleep(5);
  await queue.publish([{ body: { v: 1 } }]);
  await sleep(30);
  expect(got).toHaveLength(0);
  consumer.setWindow(5);
  await sleep(20);
  expect(got).toHaveLength(0);
  await other.setPaused?.(false);
  await expect.poll(() => got.map(written)).toEqual([1]);
  await consumer.close();
});

it("knows of a pause before its first fetch, and learns of one without any notice", async () => {
  const shared = memoryStore();
  const deaf = { ...shared, notify: async () => {} };
  const queue = await withPause(withIds(bareBroker()), deaf).open(spec("q"));
  await queue.setPaused?.(true);
  await queue.publish([{ body: { v: 1 } }]);
  const { got, consumer } = await consume(queue);
  consumer.setWindow(1);
  await sleep(30);
  expect(got).toHaveLength(0);
  await queue.setPaused?.(false);
  await expect.poll(() => got).toHaveLength(1);
  await consumer.close();
});

it("leaves no consumer behind when the store takes no listener", async () => {
  const store = { ...memoryStore(), subscribe: () => Promise.reject(new Error("down")) };
  let open = 0;
  const bare = wrapBroker(bareBroker(), (inner) => ({
    async consume(...args) {
      const consumer = await inner.consume(...args);
      open++;
      return { ...consumer, close: (how) => consumer.close(how).finally(() => open--) };
    },
  }));
  const queue = await withPause(withIds(bare), store).open(spec("q"));
  await expect(consume(queue)).rejects.toThrow("down");
  expect(open).toBe(0);
});
