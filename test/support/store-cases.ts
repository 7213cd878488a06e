/** What every store promises, as sentences with functions; test/stores.test.ts runs them over each store. */
import { expect, vi } from "vitest";
import { clock, sleep } from "../../src/base/clock.ts";
import type { ReservedStart, StartRow, Store } from "../../src/contract/index.ts";
import { hearCases } from "./store-hear-cases.ts";

interface StoreContext {
  readonly store: Store;
  /** The same keys over another connection; `store` itself where a process has no more than one. */
  readonly other: Store;
  /** Another one on the same keys, closed at the end. */
  open(): Promise<Store>;
}

type StoreCase = (context: StoreContext) => Promise<void>;

const never = () => new AbortController().signal;
const byId = (entries: readonly { readonly id: string }[]) => entries.map(({ id }) => id).sort();
const soon = (holds: () => void) => vi.waitFor(holds, { timeout: 2_000, interval: 5 });

/** That of `ofMs`, counted from `since` at the earliest, no more is gone than has passed. 2 ms for clocks of whole milliseconds. */
function expectLeft(leftMs: number | undefined, ofMs: number, since: number): void {
  expect(leftMs).toBeLessThanOrEqual(ofMs + 0.01);
  expect(leftMs).toBeGreaterThanOrEqual(Math.max(0, ofMs - (clock.monotonic() - since) - 2));
}

const waits = async (store: Store, key: string, row: StartRow) =>
  (await store.reserve(key, row)).starts.map(({ waitMs }) => waitMs);

const values: Record<string, StoreCase> = {
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

const limits: Record<string, StoreCase> = {
  "reserves evenly spaced starts, over all who ask": async ({ store, other }) => {
    const row = { perMs: 50, places: 20, count: 3, slackMs: 20 };
    const since = clock.monotonic();
    const first = await waits(store, "k", row);
    expect(first[0]).toBe(0);
    expect(first.map(Math.round)).toEqual([0, 50, 100]);
    const [next] = await waits(other, "k", { ...row, count: 1 });
    expectLeft(next, 150, since);
    const [one, two] = await Promise.all([waits(store, "two", row), waits(other, "two", row)]);
    const [early, late] = one[0] === 0 ? [one, two] : [two, one];
    expect(early.map(Math.round)).toEqual([0, 50, 100]);
    for (const [index, each] of late.entries()) expectLeft(each, 150 + index * 50, since);
    expect((await waits(store, "another", row))[0]).toBe(0);
  },
  "catches up by the slack where starts are closer to each other, and by nothing where they are not": async ({
    store,
    other,
  }) => {
    for (const [perMs, expected] of [
      [5, [0, 0, 0, 0, 0, 5]],
      [50, [0, 50, 100, 150, 200, 250]],
    ] as const) {
      const row = { perMs, places: 20, count: 6, slackMs: 20 };
      expect((await waits(store, `r${perMs}`, row)).map(Math.round)).toEqual(expected);
      await sleep(6 * perMs + 140);
      expect((await waits(other, `r${perMs}`, row)).map(Math.round)).toEqual(expected);
    }
  },
  "does not move later starts for one that is late by less than the slack": async ({ store }) => {
    const since = clock.monotonic();
    const row = { perMs: 400, places: 3, slackMs: 350 };
    await store.reserve("k", { ...row, count: 1 });
    await sleep(430);
    const [now, next] = await waits(store, "k", { ...row, count: 2 });
    expect(now).toBe(0);
    expectLeft(next, 800, since);
    expect(next).toBeLessThan(390);
  },
  "gives the place of a start that did not come to another, once": async ({ store, other }) => {
    const row = { perMs: 500, places: 4, slackMs: 4 };
    const since = clock.monotonic();
    const [first] = (await store.reserve("k", { ...row, count: 2 })).starts;
    const unused = [(first as ReservedStart).number];
    expect((await other.reserve("k", { ...row, count: 0, unused })).starts).toEqual([]);
    const [again, next, later] = await waits(store, "k", { ...row, count: 3, unused });
    expect(again).toBe(0);
    expectLeft(next, 1_000, since);
    expectLeft(later, 1_500, since);
    const [place] = await waits(other, "k", { ...row, count: 1, unused });
    expect(place).toBeGreaterThan(1_500);
  },
  "uses a place again only when its time has come round, whatever is given back": async ({ store, other }) => {
    const row = { perMs: 10, places: 10, slackMs: 4, count: 3 };
    const starts: number[] = [];
    const since = clock.monotonic();
    const unused: number[] = [];
    for (let n = 0; n < 40; n++) {
      const { starts: given } = await (n % 2 ? store : other).reserve("k", { ...row, unused });
      const at = clock.monotonic() - since;
      unused.push(...given.slice(0, 1).map(({ number }) => number)); // told again and again
      starts.push(...given.slice(1).map(({ waitMs }) => at + waitMs));
      await sleep(given[0]?.waitMs ?? 0);
    }
    starts.sort((a, b) => a - b);
    const spans = starts.slice(10).map((start, i) => start - (starts[i] as number));
    expect(Math.min(...spans)).toBeGreaterThan(100 - 20);
  },
  "leaves a place empty for as much longer as its start may be late": async ({ store }) => {
    const row = { perMs: 100, places: 1, slackMs: 4, count: 1 };
    const since = clock.monotonic();
    await store.reserve("k", { ...row, lateMs: 300 });
    await sleep(60);
    const [next] = await waits(store, "k", row);
    expectLeft(next, 400, since);
  },
  "reserves nothing that is due later than is asked for, and says when the next is": async ({ store, other }) => {
    const row = { perMs: 400, places: 1, slackMs: 4, count: 3 };
    const since = clock.monotonic();
    expect(await waits(store, "k", { ...row, aheadMs: 200 })).toEqual([0]);
    const { starts, nextMs } = await other.reserve("k", { ...row, aheadMs: 200 });
    expect(starts).toEqual([]);
    expectLeft(nextMs, 400, since);
    await sleep(nextMs - 190);
    const [next] = await waits(other, "k", { ...row, aheadMs: 200 });
    expectLeft(next, 400, since);
  },
  "gives a lease to one owner, renews it, and fences owners apart": async ({ store, other }) => {
    const first = await store.lease("l", "a", 300);
    expect(first?.fence).toEqual(expect.any(Number));
    expect(await other.lease("l", "b", 300)).toBeNull();
    expect(await other.lease("another", "b", 300)).not.toBeNull();
    await other.release("l", "b");
    expect(await other.lease("l", "b", 300)).toBeNull();
    await sleep(200);
    expect(await store.lease("l", "a", 300)).toEqual(first);
    await sleep(200);
    expect(await other.lease("l", "b", 300)).toBeNull();
    await sleep(130);
    const second = await other.lease("l", "b", 60_000);
    expect(second?.fence).toBeGreaterThan(first?.fence ?? Number.NaN);
    await store.release("l", "a");
    expect(await store.lease("l", "a", 300)).toBeNull();
    await other.release("l", "b");
    const third = await store.lease("l", "a", 300);
    expect(third?.fence).toBeGreaterThan(second?.fence ?? Number.NaN);
  },
  "renews one term of a lease, and does not take it again when that is over": async ({ store, other }) => {
    const { fence } = (await store.lease("l", "a", 300)) ?? { fence: Number.NaN };
    await sleep(200);
    expect(await store.lease("l", "a", 300, fence)).toEqual({ fence });
    expect(await store.lease("l", "a", 300, fence - 1)).toBeNull();
    expect(await store.lease("l", "b", 300, fence)).toBeNull();
    await sleep(200);
    expect(await other.lease("l", "b", 300)).toBeNull();
    await sleep(130);
    expect(await store.lease("l", "a", 60_000, fence)).toBeNull();
    const second = await other.lease("l", "b", 60_000);
    expect(second?.fence).toBeGreaterThan(fence);
    expect(await store.lease("l", "a", 60_000, fence)).toBeNull();
    await other.release("l", "b");
    expect(await other.lease("l", "b", 60_000, second?.fence)).toBeNull();
    expect((await store.lease("l", "a", 300))?.fence).toBeGreaterThan(second?.fence ?? Number.NaN);
  },
};

const timers: Record<string, StoreCase> = {
  "leases timers that are due, the first one first, and replaces those of the same id": async ({ store, other }) => {
    await store.timers.add("q", [
      { id: "a", dueInMs: 0, payload: "A" },
      { id: "b", dueInMs: 60_000, payload: "B" },
      { id: "c", dueInMs: 0, payload: "old" },
      { id: "d", dueInMs: 0, payload: "not yet" },
    ]);
    await store.timers.add("q", []);
    await other.timers.add("q", [
      { id: "c", dueInMs: 0, payload: "C" },
      { id: "d", dueInMs: 60_000, payload: "D" },
    ]);
    const expected = [
      { id: "a", payload: "A" },
      { id: "c", payload: "C" },
    ];
    expect((await store.timers.lease("q", 10, 60_000)).entries).toEqual(expected);
    expect((await other.timers.lease("q", 10, 60_000)).entries).toEqual([]);
    expect(await other.timers.count("q")).toBe(4);
  },
  "leases no more timers than the limit": async ({ store, other }) => {
    await store.timers.add(
      "q",
      ["a", "b", "c"].map((id) => ({ id, dueInMs: 0, payload: id })),
    );
    const first = await store.timers.lease("q", 2, 60_000);
    expect([first.entries.length, first.nextDueMs]).toEqual([2, 0]);
    const second = await other.timers.lease("q", 2, 60_000);
    expect(byId([...first.entries, ...second.entries])).toEqual(["a", "b", "c"]);
  },
  "leases timers again until they are acknowledged": async ({ store: { timers }, other }) => {
    const since = clock.monotonic();
    await timers.add("q", [
      { id: "b", dueInMs: 200, payload: "B" },
      { id: "a", dueInMs: 0, payload: "A" },
      { id: "c", dueInMs: 60_000, payload: "C" },
    ]);
    const first = await timers.lease("q", 10, 250);
    expect(first.entries).toEqual([{ id: "a", payload: "A" }]);
    expectLeft(first.nextDueMs, 200, since);
    expect(await other.timers.remove("q", ["a", "c"])).toEqual(["c"]);
    expect(await other.timers.count("q")).toBe(2);
    await sleep(300);
    expect(byId((await other.timers.lease("q", 10, 60_000)).entries)).toEqual(["a", "b"]);
    await timers.ack("q", ["a", "never"]);
    await timers.ack("q", []);
    expect(await timers.remove("q", ["a", "b"])).toEqual([]);
    expect(await timers.count("q")).toBe(1);
  },
  "acknowledges only timers that are leased: one that was added again meanwhile stays": async ({
    store: { timers },
    other,
  }) => {
    await timers.add("q", [
      { id: "now", dueInMs: 0, payload: "old" },
      { id: "later", dueInMs: 0, payload: "old" },
      { id: "free", dueInMs: 60_000, payload: "free" },
    ]);
    expect((await timers.lease("q", 10, 60_000)).entries).toHaveLength(2);
    await other.timers.add("q", [
      { id: "now", dueInMs: 0, payload: "new" },
      { id: "later", dueInMs: 60_000, payload: "new" },
    ]);
    await timers.ack("q", ["now", "later", "free"]);
    expect(await timers.count("q")).toBe(3);
    expect((await timers.lease("q", 10, 60_000)).entries).toEqual([{ id: "now", payload: "new" }]);
    await timers.ack("q", ["now"]);
    expect([...(await timers.remove("q", ["now", "later", "free"]))].sort()).toEqual(["free", "later"]);
    expect(await timers.count("q")).toBe(0);
  },
  "removes timers whose lease is over, and says in how many milliseconds the next is due": async ({
    store: { timers },
  }) => {
    await timers.add("q", [{ id: "a", dueInMs: 0, payload: "A" }]);
    let since = clock.monotonic();
    const { entries, nextDueMs = -1 } = await timers.lease("q", 10, 200);
    expect(entries).toHaveLength(1);
    expectLeft(nextDueMs, 200, since);
    expect(await timers.remove("q", ["a"])).toEqual([]);
    await sleep(nextDueMs + 10);
    expect(await timers.remove("q", ["a", "never"])).toEqual(["a"]);
    expect(await timers.remove("q", [])).toEqual([]);
    expect(await timers.count("q")).toBe(0);
    since = clock.monotonic();
    await timers.add("q", [{ id: "b", dueInMs: 300, payload: "B" }]);
    const next = await timers.lease("q", 10, 50);
    expect(next.entries).toEqual([]);
    expectLeft(next.nextDueMs, 300, since);
  },
  "clears the timers of one queue, leased or not": async ({ store: { timers }, other }) => {
    const entries = ["a", "b"].map((id) => ({ id, dueInMs: 0, payload: id }));
    await Promise.all([timers.add("q", entries), timers.add("r", entries)]);
    expect((await timers.lease("q", 1, 0)).entries).toHaveLength(1);
    await other.timers.clear("q");
    expect([await timers.count("q"), await timers.count("r"), await timers.count("never")]).toEqual([0, 2, 0]);
    expect(await timers.lease("q", 10, 50)).toEqual({ entries: [] });
    expect(byId((await timers.lease("r", 10, 50)).entries)).toEqual(["a", "b"]);
  },
};

const news: Record<string, StoreCase> = {
  "keeps lists, and ends them": async ({ store: { list }, other }) => {
    await list.append("k", ["a", "b"]);
    await list.append("long", ["a", "b", "c"], 10_000);
    await other.list.append("k", ["c"], 150);
    expect([await list.read("k", 1, 5), await list.read("k", 0, 2), await list.read("k", 3, 5)]).toEqual([
      ["b", "c"],
      ["a", "b"],
      [],
    ]);
    await sleep(180);
    expect([await list.read("k", 0, 5), await list.read("none", 0, 5)]).toEqual([[], []]);
    await list.append("k", ["new"]);
    expect([await other.list.read("k", 0, 5), await other.list.read("long", 1, 5)]).toEqual([["new"], ["b", "c"]]);
  },
  "keeps a list for the longest ttl that it was given, whoever gave it": async ({ store: { list }, other }) => {
    await list.append("short, then long", ["a"], 100);
    await other.list.append("short, then long", ["b"], 10_000);
    await list.append("long, then short", ["a"], 10_000);
    await other.list.append("long, then short", ["b"], 50);
    await list.append("short, then none", ["a"], 100);
    await other.list.append("short, then none", ["b"]);
    await sleep(180);
    expect(
      await Promise.all(
        ["short, then long", "long, then short", "short, then none"].map((key) => list.read(key, 0, 5)),
      ),
    ).toEqual([["a", "b"], ["a", "b"], []]);
    await list.append("short, then none", ["new"]);
    await sleep(130);
    expect(await other.list.read("short, then none", 0, 5)).toEqual(["new"]);
  },
  "tells subscribers of a channel, and nobody who has left": async ({ store, other }) => {
    const heard: string[] = [];
    const left: string[] = [];
    const stop = await other.subscribe("c", (text) => void left.push(text));
    for (const each of [store, other]) await each.subscribe("c", (text) => void heard.push(text));
    await store.notify("other", "nobody");
    await store.notify("c", "one");
    await store.notify("c", "two");
    await soon(() => expect([heard.length, left]).toEqual([4, ["one", "two"]]));
    stop();
    stop();
    await store.notify("c", "too late");
    await soon(() => expect(heard.slice(4)).toEqual(["too late", "too late"]));
    await sleep(30);
    expect(left).toEqual(["one", "two"]);
    expect(heard.filter((text) => text === "one")).toHaveLength(2);
  },
  "tells a function that subscribed twice twice, and once when it has left once": async ({ store, other }) => {
    const heard: string[] = [];
    const hear = (text: string) => void heard.push(text);
    const stop = await other.subscribe("c", hear);
    await other.subscribe("c", hear);
    await store.notify("c", "both");
    await soon(() => expect(heard).toEqual(["both", "both"]));
    stop();
    stop();
    await store.notify("c", "one");
    await soon(() => expect(heard.slice(2)).toEqual(["one"]));
  },
};

const results: Record<string, StoreCase> = {
  "keeps results until they end, and the first one of an id": async ({ store, other }) => {
    await store.results.put("q", [
      { id: "1", outcome: "first", ttlMs: 10_000 },
      { id: "2", outcome: "short", ttlMs: 150 },
    ]);
    await store.results.put("q", []);
    await other.results.put("q", [{ id: "1", outcome: "late", ttlMs: 10_000 }]);
    await store.results.put("twice", [
      { id: "1", outcome: "first", ttlMs: 10_000 },
      { id: "1", outcome: "second", ttlMs: 10_000 },
    ]);
    expect(await store.results.get("twice", ["1"])).toEqual(["first"]);
    expect(await store.results.get("q", ["2", "1", "9"])).toEqual(["short", "first", undefined]);
    await sleep(180);
    await other.results.put("q", [{ id: "2", outcome: "anew", ttlMs: 10_000 }]);
    expect(await store.results.get("q", ["2", "1"])).toEqual(["anew", "first"]);
    expect(await store.results.get("q", [])).toEqual([]);
  },
  "keeps the first end of one life, and lets a later life of an id replace an earlier one": async ({
    store,
    other,
  }) => {
    const put = (at: Store, outcome: string, publishedAt?: number) =>
      at.results.put("q", [{ id: "1", outcome, ttlMs: 10_000, ...(publishedAt === undefined ? {} : { publishedAt }) }]);
    const kept = async () => (await other.results.get("q", ["1"]))[0];
    await put(store, "of nobody knows when");
    await put(store, "first", 1_000);
    expect(await kept()).toBe("first");
    await put(other, "late", 1_000);
    await put(other, "earlier", 999);
    await put(other, "of nobody knows when");
    expect(await kept()).toBe("first");
    const waiting = other.results.wait("q", "2", AbortSignal.timeout(5_000));
    await put(other, "next life", 1_001);
    await put(store, "first", 1_000);
    expect(await kept()).toBe("next life");
    await store.results.put("q", [
      { id: "2", outcome: "old", ttlMs: 10_000, publishedAt: 1 },
      { id: "2", outcome: "new", ttlMs: 10_000, publishedAt: 2 },
      { id: "2", outcome: "late", ttlMs: 10_000, publishedAt: 2 },
    ]);
    expect(["old", "new"]).toContain(await waiting);
    expect(await store.results.get("q", ["1", "2"])).toEqual(["next life", "new"]);
    await store.results.put("q", [{ id: "1", outcome: "short", ttlMs: 100, publishedAt: 1_002 }]);
    await sleep(130);
    expect(await kept()).toBeUndefined();
  },
  "drops results that are kept, of one queue only, and leaves the waits": async ({ store: { results }, other }) => {
    const put = (queue: string, id: string) => results.put(queue, [{ id, outcome: `${queue}/${id}`, ttlMs: 10_000 }]);
    await Promise.all([put("q", "1"), put("q", "2"), put("r", "1"), put("a:b", "c"), put("a", "b:c")]);
    const later = results.wait("q", "9", AbortSignal.timeout(5_000));
    await other.results.delete("q", ["1", "9", "never"]);
    await other.results.delete("q", []);
    expect(await results.get("q", ["1", "2"])).toEqual([undefined, "q/2"]);
    expect(await results.get("r", ["1"])).toEqual(["r/1"]);
    expect([await results.get("a:b", ["c"]), await results.get("a", ["b:c"])]).toEqual([["a:b/c"], ["a/b:c"]]);
    await put("q", "9");
    expect(await later).toBe("q/9");
  },
  "answers all who wait, before and after the result is there, over every connection": async ({ store, other }) => {
    const waits = [store, store, other].map(({ results }) => results.wait("q", "1", never()));
    const long = `"${"x".repeat(50_000)}"`;
    const big = [store, other].map(({ results }) => results.wait("q", "2", never()));
    await sleep(30);
    const since = clock.monotonic();
    await other.results.put("q", [
      { id: "1", outcome: '"one"', ttlMs: 10_000 },
      { id: "2", outcome: long, ttlMs: 10_000 },
    ]);
    expect(await Promise.all(waits)).toEqual(['"one"', '"one"', '"one"']);
    expect(await Promise.all(big)).toEqual([long, long]);
    expect(clock.monotonic() - since).toBeLessThan(2_000); // told of it, not found by a slow poll
    expect(
      await Promise.all([store, other].map(({ results }) => results.wait("q", "1", AbortSignal.timeout(1_000)))),
    ).toEqual(['"one"', '"one"']);
  },
  "answers 500 who wait at once, each with its own result, from another connection": async ({ store, other }) => {
    const all = Array.from({ length: 500 }, (_, n) => ({ id: `m${n}`, outcome: `=${n}`, ttlMs: 60_000 }));
    const waits = all.map(({ id }) => store.results.wait("q", id, never()));
    await other.results.put("q", all);
    expect(await Promise.all(waits)).toEqual(all.map(({ outcome }) => outcome));
  },
  "ends a wait with the reason of its signal, and no other": async ({ store, other }) => {
    const reason = new Error("enough");
    const abort = new AbortController();
    const goesOn = store.results.wait("q", "1", never());
    const waits = [store.results.wait("q", "1", abort.signal), store.results.wait("q", "never", abort.signal)];
    abort.abort(reason);
    for (const each of waits) await expect(each).rejects.toBe(reason);
    await expect(store.results.wait("q", "1", abort.signal)).rejects.toBe(reason);
    const text = new AbortController();
    const told = store.results.wait("q", "1", text.signal);
    text.abort("a reason of text is no outcome");
    await expect(told).rejects.toBe("a reason of text is no outcome");
    await expect(store.results.wait("q", "never", AbortSignal.timeout(5))).rejects.toMatchObject({
      name: "TimeoutError",
    });
    await other.results.put("q", [{ id: "1", outcome: "out", ttlMs: 10_000 }]);
    expect(await goesOn).toBe("out");
  },
  "ends all waits with an error when it is closed, at once or later": async ({ open }) => {
    for (const beforeCloseMs of [0, 30]) {
      const store = await open();
      const waits = ["1", "1", "2"].map((id) => store.results.wait("q", id, never()).catch((error: Error) => error));
      await sleep(beforeCloseMs);
      await store.close();
      const closed = expect.objectContaining({ code: "STORE", message: expect.stringContaining("closed") });
      expect(await Promise.race([Promise.all(waits), sleep(1_000)])).toEqual([closed, closed, closed]);
    }
  },
};

const life: Record<string, StoreCase> = {
  "keeps over a close what it calls durable": async ({ store, open }) => {
    await store.set([{ key: "a", value: "1" }]);
    await store.list.append("l", ["x"]);
    await store.timers.add("q", [{ id: "t", dueInMs: 0, payload: "T" }]);
    await store.results.put("q", [{ id: "r", outcome: "out", ttlMs: 10_000 }]);
    await store.close();
    await store.close();
    const again = await open();
    expect(await again.get(["a"])).toEqual([store.durable ? "1" : undefined]);
    expect(await again.list.read("l", 0, 5)).toEqual(store.durable ? ["x"] : []);
    expect((await again.timers.lease("q", 5, 50)).entries).toEqual(store.durable ? [{ id: "t", payload: "T" }] : []);
    expect(await again.results.get("q", ["r"])).toEqual([store.durable ? "out" : undefined]);
  },
};

export const storeCases: Readonly<Record<string, StoreCase>> = {
  ...values,
  ...limits,
  ...timers,
  ...news,
  ...results,
  ...hearCases,
  ...life,
};
