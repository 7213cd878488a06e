/** What every store promises of being closed. */
import { expect } from "vitest";
import type { StoreCase } from "./case.ts";

export const life: Record<string, StoreCase> = {
  "keeps over a close what it calls durable": async ({ store, open }) => {
    await store.set([{ key: "a", value: "1" }]);
    await store.list.append([{ key: "l", items: ["x"] }]);
    await store.map.put([{ key: "m", fields: [["f", "x"]] }]);
    await store.index.put("i", [{ id: "a", value: "A" }]);
    await store.timers.add([{ queue: "q", id: "t", dueInMs: 0, payload: "T" }]);
    await store.results.put("q", [{ id: "r", outcome: "out", ttlMs: 10_000 }]);
    await store.close();
    await store.close();
    const again = await open();
    expect(await again.get(["a"])).toEqual([store.durable ? "1" : undefined]);
    expect(await again.list.read("l", 0, 5)).toEqual(store.durable ? ["x"] : []);
    expect(await again.map.get("m", ["f"])).toEqual([store.durable ? "x" : undefined]);
    expect(await again.index.count("i")).toBe(store.durable ? 1 : 0);
    const { entries } = await again.timers.lease(["q"], { limit: 5, ttlMs: 50 });
    expect(entries.map(({ payload }) => payload)).toEqual(store.durable ? ["T"] : []);
    expect(await again.results.get("q", ["r"])).toEqual([store.durable ? "out" : undefined]);
  },
};
