/** Store calls of one tick that travel together. */
import { describe, expect, it } from "vitest";
import { memoryStore } from "../../../adapters/memory/store.ts";
import type { Store } from "../../../src/contract/store.ts";
import { coalesce, coalescedStore } from "../../../src/store/coalesced.ts";

describe("joining", () => {
  const setUp = (fail = () => false) => {
    const calls: (readonly number[])[] = [];
    const double = coalesce<number, number>(async (items) => {
      calls.push(items);
      if (fail()) throw new Error("away");
      return items.map((item) => 2 * item);
    });
    return { calls, double };
  };

  it("makes one call of those of a tick, in their order, and gives each its own answers", async () => {
    const { calls, double } = setUp();
    expect(await Promise.all([double([1, 2]), double([]), double([3])])).toEqual([[2, 4], [], [6]]);
    expect(await double([4])).toEqual([8]);
    expect(calls).toEqual([[1, 2, 3], [4]]);
  });
  it("sends when a thousand are together, and none of them twice", async () => {
    const { calls, double } = setUp();
    const lists = Array.from({ length: 25 }, (_, i) => Array.from({ length: 100 }, (_, n) => 100 * i + n));
    const answers = await Promise.all(lists.map(double));
    expect(answers.flat()).toEqual(lists.flat().map((n) => 2 * n));
    expect(calls.map(({ length }) => length)).toEqual([1000, 1000, 500]);
  });
  it("fails for all who asked together, and for nobody else", async () => {
    let away = true;
    const { double } = setUp(() => away);
    expect(await Promise.allSettled([double([1]), double([2])])).toMatchObject([
      { reason: { message: "away" } },
      { reason: { message: "away" } },
    ]);
    away = false;
    expect(await double([1])).toEqual([2]);
  });
});

describe("a store with joined calls", () => {
  const setUp = () => {
    const inner = memoryStore();
    const calls: string[] = [];
    const counted: Store = {
      ...inner,
      set(entries) {
        calls.push(`set ${entries.length}`);
        return inner.set(entries);
      },
      results: {
        ...inner.results,
        put(queue, results) {
          calls.push(`put ${queue} ${results.length}`);
          return inner.results.put(queue, results);
        },
      },
    };
    return { store: coalescedStore(counted), calls };
  };

  it("decides each entry in the order of the calls", async () => {
    const { store, calls } = setUp();
    const claim = (value: string) => store.set([{ key: "k", value, if: "absent" }]);
    expect(
      await Promise.all([claim("a"), claim("b"), store.set([{ key: "k", value: "c", if: { equals: "a" } }])]),
    ).toEqual([[true], [false], [true]]);
    expect(await Promise.all([store.get(["k", "other"]), store.get(["k"])])).toEqual([["c", undefined], ["c"]]);
    expect(calls).toEqual(["set 3"]);
  });
  it("keeps the results of queues apart, and the first of an id", async () => {
    const { store, calls } = setUp();
    const put = (queue: string, outcome: string) => store.results.put(queue, [{ id: "1", outcome, ttlMs: 1_000 }]);
    await Promise.all([put("q", "first"), put("r", "other"), put("q", "second")]);
    expect([await store.results.get("q", ["1"]), await store.results.get("r", ["1"])]).toEqual([["first"], ["other"]]);
    expect(calls.sort()).toEqual(["put q 2", "put r 1"]);
  });
});
