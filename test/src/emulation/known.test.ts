import { expect, it, vi } from "vitest";
import { memoryStore } from "../../../adapters/stores/memory.ts";
import { emulate } from "../../../src/features.ts";
import { bareBroker } from "../../support/bare-broker.ts";
import { consume, flaky, spec, written } from "./setup.ts";

it("publishes an id once, in whichever lane and delayed or not, until it is done or cleared", async () => {
  const store = memoryStore();
  const queue = await emulate(bareBroker(), store).open(spec("q"));
  const once = { body: { v: 1 }, id: "a" };
  expect(await queue.publish([once, { body: { v: 0 } }, { ...once, ahead: true }, { ...once, delayMs: 50 }])).toMatchObject([
    { id: "a" },
    {},
    { id: "a", existing: true },
    { id: "a", existing: true },
  ]);
  expect(await queue.count?.()).toMatchObject({ ready: 2, delayed: 0 });
  const { got, settled, consumer } = await consume(queue);
  consumer.setWindow(1);
  await vi.waitFor(() => expect(settled).toHaveLength(2));
  await vi.waitFor(async () => expect(await queue.publish([{ body: { v: 2 }, id: "a", delayMs: 60_000 }])).toEqual([{ id: "a" }]));
  expect(await queue.publish([once])).toEqual([{ id: "a", existing: true }]);
  await queue.clear?.();
  expect(await queue.publish([{ body: { v: 3 }, id: "a" }])).toEqual([{ id: "a" }]);
  await vi.waitFor(() => expect(got.map(written)).toEqual([1, 0, 3]));
  await consumer.close();
});

it("frees the id of a publish that failed", async () => {
  const store = memoryStore();
  const failing: { next?: Error | undefined } = { next: new Error("no") };
  const queue = await emulate(flaky(bareBroker(), failing), store).open(spec("q"));
  await expect(queue.publish([{ body: { v: 1 }, id: "a" }])).rejects.toThrow("no");
  failing.next = undefined;
  expect(await queue.publish([{ body: { v: 1 }, id: "a" }])).toEqual([{ id: "a" }]);
});
