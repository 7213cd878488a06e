/** What every store promises of calls of one tick. */
import { expect } from "vitest";
import type { StoreCase } from "./case.ts";

export const order: Record<string, StoreCase> = {
  "answers calls of one tick in their order": async ({ store }) => {
    for (const n of [1, 2, 3]) {
      const key = `k${n}`;
      const [, first, , , second, sum, , gone] = await Promise.all([
        store.set([{ key, value: "1" }]),
        store.get([key]),
        store.set([{ key, value: "2", if: { equals: "1" } }]),
        store.set([{ key, value: "9", if: "absent" }]),
        store.get([key]),
        store.increment([{ key, by: 1 }]),
        store.delete([key]),
        store.get([key]),
      ]);
      expect([first, second, sum, gone]).toEqual([["1"], ["2"], [3], [undefined]]);
    }
  },
  "reads what was written in its tick, and not what comes after it, of every kind": async ({ store }) => {
    for (const n of [1, 2, 3]) {
      const key = `k${n}`;
      const answers = await Promise.all([
        store.list.append([{ key, items: ["1"] }]),
        store.list.read(key, 0, 9),
        store.list.append([{ key, items: ["2"] }]),
        store.list.read(key, -9, 9),
        store.map.put([{ key, fields: [["f", "1"]] }]),
        store.map.get(key, ["f"]),
        store.map.put([{ key, fields: [["f", "2"]] }]),
        store.map.read(key, { limit: 9 }),
        store.index.put(key, [{ id: "a", value: "1" }]),
        store.index.read(key, { limit: 9 }),
        store.index.remove(key, ["a"]),
        store.index.count(key),
        store.timers.add([{ queue: key, id: "t", dueInMs: 0, payload: "T" }]),
        store.timers.count([key]),
        store.timers.clear([key]),
        store.timers.count([key]),
      ]);
      expect(answers).toEqual([
        [1],
        ["1"],
        [2],
        ["1", "2"],
        [{ written: [true], size: 1 }],
        ["1"],
        [{ written: [true], size: 1 }],
        { items: [["f", "2"]] },
        undefined,
        { items: [{ id: "a", value: "1" }] },
        undefined,
        0,
        undefined,
        [1],
        undefined,
        [0],
      ]);
    }
  },
};
