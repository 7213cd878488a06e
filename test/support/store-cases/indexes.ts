/** What every store promises of indexes, and of pages. */
import { expect } from "vitest";
import { sleep } from "../../../src/base/clock.ts";
import type { Page, Store } from "../../../src/contract/index.ts";
import type { StoreCase } from "./case.ts";

const member = (id: string, ttlMs?: number) => ({ id, value: `v${id}`, ...(ttlMs === undefined ? {} : { ttlMs }) });

async function idsOf({ index }: Store, name: string, how: { limit: number; prefix?: string }): Promise<string[]> {
  const ids: string[] = [];
  for (let after: string | undefined, n = 0; n < 200; n++) {
    const page = await index.read(name, after === undefined ? how : { ...how, after });
    expect(page.items.length).toBeLessThanOrEqual(how.limit);
    for (const { id, value } of page.items) {
      expect(value).toBe(`v${id}`);
      ids.push(id);
    }
    if (page.after === undefined) return ids;
    after = page.after;
  }
  throw new Error("its pages do not end");
}

/** Pages of 1,000, read in a loop. Answers how many items came, and tells that the process came to its timers. */
async function breathe(read: (from: { after?: string; limit: number }) => Promise<Page<unknown>>): Promise<number> {
  let turns = 0;
  let pages = 0;
  let items = 0;
  const { user } = process.cpuUsage();
  for (let after: string | undefined; pages < 500; ) {
    setImmediate(() => void (turns += 1));
    const page = await read({ limit: 1_000, ...(after === undefined ? {} : { after }) });
    pages += 1;
    items += page.items.length;
    after = page.after;
    if (after === undefined) break;
  }
  // By processor time: tests run beside others. A timer of 10 ms is then 20 ms late at most.
  expect((process.cpuUsage().user - user) / 1_000 / pages).toBeLessThan(20);
  expect(turns).toBeGreaterThanOrEqual(pages - 1);
  return items;
}

export const indexes: Record<string, StoreCase> = {
  "reads an index by the bytes of its ids, in pages, with a prefix": async ({ store, other }) => {
    const ids = ["", "A", "a", "a:", "a:1", "a:10", "a:2", "a;", "b", "ä", "日", "\uffff", "\u{1F600}"];
    await store.index.put(
      "i",
      ids.toReversed().map((id) => member(id)),
    );
    await store.index.put("another", [member("a:3")]);
    await store.index.put("i", []);
    for (const limit of [1, 3, ids.length, 100]) expect(await idsOf(other, "i", { limit })).toEqual(ids);
    for (const limit of [1, 2, 100]) {
      expect(await idsOf(other, "i", { limit, prefix: "a:" })).toEqual(["a:", "a:1", "a:10", "a:2"]);
      expect(await idsOf(other, "i", { limit, prefix: "\u{1F600}" })).toEqual(["\u{1F600}"]);
      expect(await idsOf(other, "i", { limit, prefix: "none" })).toEqual([]);
    }
    expect([await other.index.count("i"), await other.index.count("none")]).toEqual([ids.length, 0]);
    await other.index.remove("i", ["a:", "none", "ä"]);
    await other.index.remove("i", []);
    expect(await idsOf(store, "i", { limit: 4 })).toEqual(ids.filter((id) => id !== "a:" && id !== "ä"));
    expect(await store.index.count("i")).toBe(ids.length - 2);
    await store.index.put("i", [{ id: "b", value: "old" }, member("b")]);
    expect(await store.index.count("i")).toBe(ids.length - 2);
    expect(await idsOf(store, "i", { limit: 1, prefix: "b" })).toEqual(["b"]);
  },
  "ends members of an index, each by the ttl given last": async ({ store, other }) => {
    await store.index.put("i", [
      member("a", 400),
      member("b"),
      member("c", 10_000),
      member("d", 400),
      member("e", 400),
    ]);
    await store.index.put("i", [member("c", 400), member("d", 10_000), member("e")]);
    expect(await idsOf(other, "i", { limit: 2 })).toEqual(["a", "b", "c", "d", "e"]);
    await sleep(450);
    expect([await idsOf(other, "i", { limit: 1 }), await other.index.count("i")]).toEqual([["b", "d"], 2]);
    await store.index.put("i", [member("a")]);
    await sleep(450);
    expect(await idsOf(other, "i", { limit: 9 })).toEqual(["a", "b", "d"]);
  },
  "lets the process breathe while it reads 20,000 of each kind in pages of 1,000": async ({ store }) => {
    const all = Array.from({ length: 20_000 }, (_, n) => String(n).padStart(6, "0"));
    for (let from = 0; from < all.length; from += 1_000) {
      const ids = all.slice(from, from + 1_000);
      await Promise.all([
        store.index.put(
          "i",
          ids.map((id) => member(id)),
        ),
        store.list.append([{ key: "l", items: ids }]),
        store.map.put([{ key: "m", fields: ids.map((id) => [id, id] as const) }]),
        store.timers.add(ids.map((id) => ({ queue: "q", id, payload: id, dueInMs: 60_000 + Number(id) }))),
      ]);
    }
    expect(await breathe((from) => store.index.read("i", from))).toBe(all.length);
    expect(await breathe((from) => store.timers.read("q", from))).toBe(all.length);
    expect(await breathe((from) => store.map.read("m", from))).toBeGreaterThanOrEqual(all.length);
    const list = async ({ after = "0", limit }: { after?: string; limit: number }) => {
      const items = await store.list.read("l", Number(after), limit);
      return items.length < limit ? { items } : { items, after: `${Number(after) + limit}` };
    };
    expect(await breathe(list)).toBe(all.length);
  },
};
