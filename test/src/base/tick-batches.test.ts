/** Batches of a tick: when they go, what is in them, and in which order. */
import { expect, it } from "vitest";
import { createTickBatches } from "../../../src/base/tick-batches.ts";

const setUp = (size: number, schedule?: (flush: () => void) => void) => {
  const batches: (readonly string[])[] = [];
  const send = (batch: readonly string[]) => void batches.push(batch);
  return { batches, add: createTickBatches<string>({ size, send, ...(schedule ? { schedule } : {}) }) };
};

it("sends what one tick adds together, in its order, and nothing for a tick that adds nothing", async () => {
  const { batches, add } = setUp(20);
  add("a");
  add("b");
  expect(batches).toEqual([]);
  await Promise.resolve();
  expect(batches).toEqual([["a", "b"]]);
  add("c");
  await new Promise((resolve) => setImmediate(resolve));
  expect(batches).toEqual([["a", "b"], ["c"]]);
});

it("sends a full batch at once, and the rest when the tick ends", async () => {
  const { batches, add } = setUp(2);
  for (const each of ["a", "b", "c", "d", "e"]) add(each);
  expect(batches).toEqual([
    ["a", "b"],
    ["c", "d"],
  ]);
  await Promise.resolve();
  expect(batches.slice(2)).toEqual([["e"]]);
});

it("counts by weight, and never cuts an item in two", async () => {
  const { batches, add } = setUp(10);
  add("four", 4);
  add("nothing", 0);
  add("nine", 9);
  add("one", 1);
  expect(batches).toEqual([["four", "nothing", "nine"]]);
  await Promise.resolve();
  expect(batches).toEqual([["four", "nothing", "nine"], ["one"]]);
});

it("waits for the end of the tick that it is told of, and asks once for each batch", () => {
  const flushes: (() => void)[] = [];
  const { batches, add } = setUp(Number.POSITIVE_INFINITY, (flush) => void flushes.push(flush));
  for (let i = 0; i < 1_000; i++) add(String(i));
  expect([batches.length, flushes.length]).toEqual([0, 1]);
  flushes[0]?.();
  flushes[0]?.();
  expect(batches.map(({ length }) => length)).toEqual([1_000]);
});

it("takes what is added while it sends into the next batch", async () => {
  const batches: (readonly string[])[] = [];
  const add = createTickBatches<string>({
    size: 2,
    send(batch) {
      batches.push(batch);
      if (batches.length === 1) add("while it sends");
    },
  });
  add("a");
  add("b");
  expect(batches).toEqual([["a", "b"]]);
  await Promise.resolve();
  expect(batches).toEqual([["a", "b"], ["while it sends"]]);
});
