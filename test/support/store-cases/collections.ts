/** What every store promises of lists and maps. */
import { expect } from "vitest";
import { sleep } from "../../../src/base/clock.ts";
import type { Field, Store } from "../../../src/contract/index.ts";
import type { StoreCase } from "./case.ts";

const keep = (key: string, items: readonly string[], ttlMs?: number) =>
  ttlMs === undefined ? [{ key, items }] : [{ key, items, ttlMs }];
const sorted = (fields: readonly Field[]) => fields.toSorted(([one], [other]) => (one < other ? -1 : 1));

async function readAll({ map }: Store, key: string, limit: number): Promise<readonly Field[]> {
  const all: Field[] = [];
  for (let after: string | undefined, n = 0; n < 500; n++) {
    const page = await map.read(key, after === undefined ? { limit } : { limit, after });
    all.push(...page.items);
    if (page.after === undefined) return all;
    after = page.after;
  }
  throw new Error("its pages do not end");
}

export const collections: Record<string, StoreCase> = {
  "keeps lists, and ends them": async ({ store: { list }, other }) => {
    await list.append(keep("k", ["a", "b"]));
    await list.append(keep("long", ["a", "b", "c"], 10_000));
    await other.list.append(keep("k", ["c"], 150));
    expect([await list.read("k", 1, 5), await list.read("k", 0, 2), await list.read("k", 3, 5)]).toEqual([
      ["b", "c"],
      ["a", "b"],
      [],
    ]);
    await sleep(180);
    expect([await list.read("k", 0, 5), await list.read("none", 0, 5)]).toEqual([[], []]);
    expect(await list.append(keep("k", ["new"]))).toEqual([1]);
    expect([await other.list.read("k", 0, 5), await other.list.read("long", 1, 5)]).toEqual([["new"], ["b", "c"]]);
  },
  "keeps a list for the longest ttl that it was given, whoever gave it": async ({ store: { list }, other }) => {
    await list.append(keep("short, then long", ["a"], 100));
    await other.list.append(keep("short, then long", ["b"], 10_000));
    await list.append(keep("long, then short", ["a"], 10_000));
    await other.list.append(keep("long, then short", ["b"], 50));
    await list.append(keep("short, then none", ["a"], 100));
    await other.list.append(keep("short, then none", ["b"]));
    await sleep(180);
    expect(
      await Promise.all(
        ["short, then long", "long, then short", "short, then none"].map((key) => list.read(key, 0, 5)),
      ),
    ).toEqual([["a", "b"], ["a", "b"], []]);
    await list.append(keep("short, then none", ["new"]));
    await sleep(130);
    expect(await other.list.read("short, then none", 0, 5)).toEqual(["new"]);
  },
  "answers how long lists are, and reads them from the end": async ({ store: { list }, other }) => {
    expect(
      await list.append([
        { key: "k", items: ["a", "b"] },
        { key: "l", items: ["x"] },
        { key: "k", items: ["c"] },
        { key: "none", items: [] },
        { key: "k", items: [] },
      ]),
    ).toEqual([2, 1, 3, 0, 3]);
    expect(await list.append([])).toEqual([]);
    expect(await other.list.append(keep("k", ["d", "e"]))).toEqual([5]);
    const reads = [
      [-1, 5],
      [-2, 1],
      [-2, 2],
      [-9, 2],
      [-5, 9],
      [0, 0],
      [-1, 0],
    ] as const;
    expect(await Promise.all(reads.map(([from, limit]) => list.read("k", from, limit)))).toEqual([
      ["e"],
      ["d"],
      ["d", "e"],
      ["a", "b"],
      ["a", "b", "c", "d", "e"],
      [],
      [],
    ]);
    expect(await list.read("none", -1, 5)).toEqual([]);
  },
  "keeps maps, and answers what was written and how many fields there are": async ({ store, other }) => {
    const odd = "x\u0000y 日本 \u{1F600}";
    expect(
      await store.map.put([
        {
          key: "m",
          fields: [
            ["a", "1"],
            ["b", odd],
            ["a", "2"],
          ],
        },
        { key: "n", fields: [["", ""]] },
        {
          key: "m",
          fields: [
            ["a", "3"],
            ["c", "C"],
            ["c", "D"],
          ],
          if: "absent",
        },
        { key: "none", fields: [] },
      ]),
    ).toEqual([
      { written: [true, true, true], size: 2 },
      { written: [true], size: 1 },
      { written: [false, true, false], size: 3 },
      { written: [], size: 0 },
    ]);
    expect(await store.map.put([])).toEqual([]);
    expect(await other.map.get("m", ["c", "none", "a", "b", "a"])).toEqual(["C", undefined, "2", odd, "2"]);
    expect([await other.map.get("n", [""]), await other.map.get("none", ["a"]), await other.map.get("m", [])]).toEqual([
      [""],
      [undefined],
      [],
    ]);
    expect(await other.map.remove("m", ["a", "none", "c"])).toBe(2);
    expect([await other.map.remove("none", ["a"]), await other.map.remove("m", [])]).toEqual([0, 0]);
    expect(await store.map.put([{ key: "m", fields: [["d", "4"]] }])).toEqual([{ written: [true], size: 2 }]);
    expect(sorted((await store.map.read("m", { limit: 10 })).items)).toEqual([
      ["b", odd],
      ["d", "4"],
    ]);
  },
  "lets one of many write a field": async ({ store, other }) => {
    const tries = Array.from({ length: 20 }, (_, n) =>
      (n % 2 ? store : other).map.put([{ key: "m", fields: [["f", `${n}`]], if: "absent" }]),
    );
    const won = (await Promise.all(tries)).flatMap((each) => each[0]?.written ?? []);
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await store.map.get("m", ["f"])).toEqual([`${won.indexOf(true)}`]);
  },
  "writes to a map only while a lease is held, where that is asked for": async ({ store, other }) => {
    const { fence } = (await store.lease("l", "a", 60_000)) ?? { fence: Number.NaN };
    const write = (value: string, term: number, lease = "l") =>
      other.map.put([{ key: "m", fields: [["f", value]], holding: { lease, fence: term } }]);
    const written = [{ written: [true], size: 1 }];
    const lost = [{ written: [false], size: 1, lost: true }];
    expect(await write("1", fence)).toEqual(written);
    expect(await write("2", fence - 1)).toEqual(lost);
    expect(await write("3", fence, "another")).toEqual(lost);
    await store.release("l", "a");
    expect(await write("4", fence)).toEqual(lost);
    const next = (await other.lease("l", "b", 100)) ?? { fence: Number.NaN };
    expect(await write("5", fence)).toEqual(lost);
    expect(await write("6", next.fence)).toEqual(written);
    await sleep(130);
    expect(await write("7", next.fence)).toEqual(lost);
    expect(await store.map.get("m", ["f"])).toEqual(["6"]);
  },
  "reads a map in pages, each field that is there all the time once at least": async ({ store, other }) => {
    for (const count of [3, 40, 1_500]) {
      const key = `m${count}`;
      const fields = Array.from({ length: count }, (_, n): Field => [`f${n}`, `${n}`]);
      await store.map.put([{ key, fields }]);
      expect(sorted([...new Map(await readAll(other, key, 10))])).toEqual(sorted(fields));
      expect((await store.map.read(key, { limit: 2 })).items.length).toBeLessThanOrEqual(2);
      const first = await store.map.read(key, { limit: 2 });
      const given = first.items.map(([field]) => field);
      await other.map.remove(key, given);
      const rest = new Map(first.items);
      for (let { after } = first; after !== undefined; ) {
        const page = await store.map.read(key, { limit: 100, after });
        for (const [field, value] of page.items) rest.set(field, value);
        after = page.after;
      }
      expect(rest.size).toBe(count);
    }
    expect(await store.map.read("none", { limit: 5 })).toEqual({ items: [] });
  },
  "ends maps and indexes by the ttl given last, and keeps without one what was set": async ({ store, other }) => {
    const put = (key: string, ttlMs?: number) =>
      store.map.put([{ key, fields: [["f", "1"]], ...(ttlMs === undefined ? {} : { ttlMs }) }]);
    await put("short, then none", 400);
    await put("short, then none");
    await put("short, then long", 400);
    await put("short, then long", 10_000);
    await put("long, then short", 10_000);
    await put("long, then short", 400);
    await put("none");
    await store.map.put([{ key: "none", fields: [["f", "2"]], if: "absent", ttlMs: 400 }]);
    await put("for ever");
    await sleep(450);
    const keys = ["short, then none", "short, then long", "long, then short", "none", "for ever"];
    const values = await Promise.all(keys.map(async (key) => (await other.map.get(key, ["f"]))[0]));
    expect(values).toEqual([undefined, "1", undefined, undefined, "1"]);
    expect(await other.map.put([{ key: "none", fields: [["g", "new"]] }])).toEqual([{ written: [true], size: 1 }]);
    expect((await store.map.read("none", { limit: 5 })).items).toEqual([["g", "new"]]);
  },
  "ends and deletes values, lists and maps alike": async ({ store, other }) => {
    const names = ["ends", "stays", "sooner", "gone"];
    const fill = async (key: string, ttlMs?: number) => {
      const ttl = ttlMs === undefined ? {} : { ttlMs };
      await store.set([{ key, value: "1", ...ttl }]);
      await store.list.append([{ key, items: ["1"], ...ttl }]);
      await store.map.put([{ key, fields: [["f", "1"]], ...ttl }]);
    };
    const read = async (key: string) => [
      ...(await other.get([key])),
      (await other.list.read(key, 0, 1))[0],
      ...(await other.map.get(key, ["f"])),
    ];
    for (const key of names) await fill(key, key === "sooner" ? 10_000 : key === "stays" ? 400 : undefined);
    await other.expire([
      { key: "ends", ttlMs: 400 },
      { key: "stays", ttlMs: 10_000 },
      { key: "sooner", ttlMs: 400 },
      { key: "none", ttlMs: 10_000 },
    ]);
    await other.expire([]);
    await other.delete(["gone", "none"]);
    const all = ["1", "1", "1"];
    const none = [undefined, undefined, undefined];
    expect(await Promise.all([...names, "none"].map(read))).toEqual([all, all, all, none, none]);
    await sleep(450);
    expect(await Promise.all(names.map(read))).toEqual([none, all, none, none]);
    await fill("gone");
    expect([await read("gone"), await other.list.read("gone", 0, 5)]).toEqual([all, ["1"]]);
  },
};
