/** What every store promises of values. */
import { expect } from "vitest";
import { sleep } from "../../../src/base/clock.ts";
import type { StoreCase } from "./case.ts";

export const values: Record<string, StoreCase> = {
  "tells its time, the same to all and going on": async ({ store, other }) => {
    const [first, second] = [await store.now(), await other.now()];
    expect(Math.abs(first - Date.now())).toBeLessThan(60_000);
    expect(second).toBeGreaterThanOrEqual(first);
    await sleep(20);
    expect(await store.now()).toBeGreaterThan(second);
  },
  "gets what was set, in the order asked, and undefined for what is not there": async ({ store, other }) => {
    const odd = "x\u0000y 日本 \u{1F600}";
    expect(
      await store.set([
        { key: "a", value: "1" },
        { key: "b", value: odd },
        { key: "", value: "" },
      ]),
    ).toEqual([true, true, true]);
    expect(await other.get(["b", "none", "a", "", "a"])).toEqual([odd, undefined, "1", "", "1"]);
    expect([await store.get([]), await store.set([])]).toEqual([[], []]);
  },
  "sets on conditions, one entry after the other": async ({ store, other }) => {
    expect(
      await store.set([
        { key: "a", value: "1", if: "absent" },
        { key: "a", value: "2", if: "absent" },
        { key: "a", value: "3", if: { equals: "1" } },
        { key: "a", value: "4", if: { equals: "1" } },
        { key: "none", value: "5", if: { equals: "1" } },
      ]),
    ).toEqual([true, false, true, false, false]);
    expect(await other.set([{ key: "a", value: "6", if: "absent" }])).toEqual([false]);
    expect(await other.get(["a", "none"])).toEqual(["3", undefined]);
  },
  "lets one of many win a key": async ({ store, other }) => {
    const tries = Array.from({ length: 20 }, (_, n) =>
      (n % 2 ? store : other).set([{ key: "a", value: `${n}`, if: "absent" }]),
    );
    const won = (await Promise.all(tries)).flat();
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await store.get(["a"])).toEqual([`${won.indexOf(true)}`]);
  },
  "lets keys end, whatever the condition that wrote them": async ({ store }) => {
    await store.set([
      { key: "kept", value: "x", ttlMs: 150 },
      { key: "kept", value: "x" },
      { key: "plain", value: "x", ttlMs: 150 },
      { key: "absent", value: "x", if: "absent", ttlMs: 150 },
      { key: "equals", value: "old" },
      { key: "equals", value: "x", if: { equals: "old" }, ttlMs: 150 },
    ]);
    const all = ["kept", "plain", "absent", "equals"];
    expect(await store.get(all)).toEqual(["x", "x", "x", "x"]);
    await sleep(180);
    expect(await store.get(all)).toEqual(["x", undefined, undefined, undefined]);
    expect(
      await store.set([
        { key: "plain", value: "again", if: { equals: "x" } },
        { key: "absent", value: "again", if: "absent" },
      ]),
    ).toEqual([false, true]);
    expect(await store.get(["plain", "absent"])).toEqual([undefined, "again"]);
  },
  "deletes the given keys only": async ({ store, other }) => {
    await store.set(["a", "b", "c"].map((key) => ({ key, value: key })));
    await other.delete(["a", "c", "none"]);
    await other.delete([]);
    expect(await store.get(["a", "b", "c"])).toEqual([undefined, "b", undefined]);
  },
  "counts from 0 or from what is there, and the key ends when it was made to": async ({ store, other }) => {
    await store.set([{ key: "set", value: "4" }]);
    expect(
      await store.increment([
        { key: "n", by: 2, ttlMs: 150 },
        { key: "n", by: 3, ttlMs: 10_000 },
        { key: "n", by: 5 },
        { key: "down", by: -1 },
        { key: "set", by: 0.5 },
      ]),
    ).toEqual([2, 5, 10, -1, 4.5]);
    expect(await other.get(["n", "down", "set"])).toEqual(["10", "-1", "4.5"]);
    await sleep(180);
    expect(await other.get(["n", "down", "set"])).toEqual([undefined, "-1", "4.5"]);
    expect(await store.increment([{ key: "n", by: -1 }])).toEqual([-1]);
    expect(await store.increment([])).toEqual([]);
  },
  "counts every one of many at once": async ({ store, other }) => {
    const sums = await Promise.all(
      Array.from({ length: 50 }, (_, n) => (n % 2 ? store : other).increment([{ key: "n", by: 1 }])),
    );
    expect(sums.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
  },
};
