/** What every store promises of being closed. */
import { expect } from "vitest";
import { type StoreCase, soon } from "./case.ts";

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
  "tells notices again when it is used after a close": async ({ open }) => {
    const store = await open();
    const heard: string[] = [];
    await store.subscribe("c", (text) => void heard.push(`before ${text}`));
    await store.close();
    await store.subscribe("c", (text) => void heard.push(`after ${text}`));
    await store.notify("c", "one");
    await soon(() => expect(heard).toContain("after one"));
  },
  "keeps ids and fields that look like numbers, or are no UTF-8": async ({ store }) => {
    const ids = ["0", "0.0", "1"];
    await store.index.put(
      "numbers",
      ids.map((id) => ({ id, value: id })),
    );
    expect((await store.index.read("numbers", { limit: 10 })).items.map(({ id }) => id)).toEqual(ids);
    await store.map.put([{ key: "odd", fields: [["a\ud800", "x"]] }]);
    expect(await store.map.get("odd", ["a\ud800"])).toEqual(["x"]);
    expect(await store.map.remove("odd", ["a\ud800"])).toBe(1);
  },
};
