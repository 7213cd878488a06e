/** What every store promises of timers. */
import { expect } from "vitest";
import { clock, sleep } from "../../../src/base/clock.ts";
import type { Store, TimerEntry } from "../../../src/contract/index.ts";
import { byId, expectLeft, type StoreCase } from "./case.ts";

type Timers = Store["timers"];

const timer = (id: string, dueInMs: number, queue = "q"): TimerEntry => ({
  queue,
  id,
  dueInMs,
  payload: id.toUpperCase(),
});
const ten = { limit: 10, ttlMs: 60_000 };
const named = (...ids: readonly string[]) => ids.map((id) => ({ queue: "q", id }));
const payloads = (entries: readonly { readonly payload: string }[]) => entries.map(({ payload }) => payload);
const countOf = async ({ count }: Timers, queue = "q") => (await count([queue]))[0];

export const timers: Record<string, StoreCase> = {
  "leases timers that are due, the first one first, and replaces those of the same id": async ({ store, other }) => {
    await store.timers.add([
      timer("a", 0),
      timer("b", 60_000),
      { ...timer("c", 0), payload: "old" },
      { ...timer("d", 0), payload: "not yet" },
    ]);
    await store.timers.add([]);
    await other.timers.add([timer("c", 5), timer("d", 60_000)]);
    await sleep(10);
    const { entries } = await store.timers.lease(["q"], ten);
    expect(entries).toEqual([
      { queue: "q", id: "a", payload: "A", token: expect.any(String) },
      { queue: "q", id: "c", payload: "C", token: entries[0]?.token },
    ]);
    expect((await other.timers.lease(["q"], ten)).entries).toEqual([]);
    expect(await countOf(other.timers)).toBe(4);
  },
  "leases no more timers than the limit": async ({ store, other }) => {
    await store.timers.add(["a", "b", "c"].map((id) => timer(id, 0)));
    const first = await store.timers.lease(["q"], { ...ten, limit: 2 });
    expect([first.entries.length, first.nextDueMs]).toEqual([2, 0]);
    const second = await other.timers.lease(["q"], { ...ten, limit: 2 });
    expect(byId([...first.entries, ...second.entries])).toEqual(["a", "b", "c"]);
  },
  "leases timers of several queues in one call, by the time at which they are due": async ({ store, other }) => {
    const since = clock.monotonic();
    await store.timers.add([timer("late", 300, "r"), timer("a", 0, "q"), timer("no", 0, "another")]);
    await store.timers.add([timer("b", 20, "s"), timer("far", 10_000, "s"), timer("near", 5_000, "r")]);
    await sleep(330);
    const queues = ["q", "none", "r", "s", "q"];
    const first = await other.timers.lease(queues, { limit: 2, ttlMs: 60_000 });
    expect(first.entries.map(({ queue, id }) => [queue, id])).toEqual([
      ["q", "a"],
      ["s", "b"],
    ]);
    expect(first.nextDueMs).toBe(0);
    const second = await store.timers.lease(queues, ten);
    expect(second.entries.map(({ queue, id }) => [queue, id])).toEqual([["r", "late"]]);
    expectLeft(second.nextDueMs, 5_000, since);
    expect(await store.timers.count(["s", "none", "r", "another"])).toEqual([2, 0, 2, 1]);
    const all = [...first.entries, ...second.entries];
    expect(await store.timers.ack(all)).toEqual([true, true, true]);
    expect(await store.timers.count(queues.slice(0, 4))).toEqual([0, 0, 1, 1]);
    expect(await store.timers.lease([], ten)).toEqual({ entries: [] });
    expect(await store.timers.lease(["none"], ten)).toEqual({ entries: [] });
  },
  "leases timers again until they are acknowledged": async ({ store: { timers: own }, other }) => {
    const since = clock.monotonic();
    await own.add([timer("b", 200), timer("a", 0), timer("c", 60_000)]);
    const first = await own.lease(["q"], { limit: 10, ttlMs: 250 });
    expect(payloads(first.entries)).toEqual(["A"]);
    expectLeft(first.nextDueMs, 200, since);
    expect(await other.timers.remove(named("a", "c"))).toEqual([false, true]);
    expect(await countOf(other.timers)).toBe(2);
    await sleep(300);
    const again = await other.timers.lease(["q"], ten);
    expect(byId(again.entries)).toEqual(["a", "b"]);
    const a = again.entries.filter(({ id }) => id === "a");
    expect(await own.ack([...a, { queue: "q", id: "never", token: "none" }, ...a])).toEqual([true, false, false]);
    expect(await own.ack([])).toEqual([]);
    expect(await own.remove(named("a", "b"))).toEqual([false, false]);
    expect(await countOf(own)).toBe(1);
  },
  "acknowledges by the token of the lease: not what another has leased since": async ({ store, other }) => {
    await store.timers.add([timer("a", 0), timer("b", 0)]);
    const first = await store.timers.lease(["q"], { limit: 10, ttlMs: 50 });
    expect(first.entries).toHaveLength(2);
    await sleep(80);
    const second = await other.timers.lease(["q"], { limit: 1, ttlMs: 60_000 });
    const [taken] = second.entries;
    const lapsed = first.entries.toSorted(({ id }) => (id === taken?.id ? -1 : 1));
    expect(await store.timers.ack(lapsed.slice(0, 1))).toEqual([false]);
    expect(await countOf(store.timers)).toBe(2);
    expect(await other.timers.ack(second.entries)).toEqual([true]);
    expect(await other.timers.ack(second.entries)).toEqual([false]);
    expect(await countOf(other.timers)).toBe(1);
    const forged = lapsed.slice(1).map((each) => ({ ...each, token: "none" }));
    expect(await store.timers.ack(forged)).toEqual([false]);
  },
  "acknowledges only timers that are leased: one that was added again meanwhile stays": async ({
    store: { timers: own },
    other,
  }) => {
    await own.add([timer("now", 0), timer("later", 0), timer("free", 60_000)]);
    const { entries } = await own.lease(["q"], ten);
    expect(entries).toHaveLength(2);
    await other.timers.add([{ ...timer("now", 0), payload: "new" }, timer("later", 60_000)]);
    const token = entries[0]?.token ?? "";
    expect(await own.ack([...entries, { queue: "q", id: "free", token }])).toEqual([false, false, false]);
    expect(await countOf(own)).toBe(3);
    const again = await own.lease(["q"], ten);
    expect(payloads(again.entries)).toEqual(["new"]);
    expect(await own.ack(entries)).toEqual([false, false]);
    expect(await own.ack(again.entries)).toEqual([true]);
    expect(await own.remove(named("now", "later", "free"))).toEqual([false, true, true]);
    expect(await countOf(own)).toBe(0);
  },
  "removes timers whose lease is over, and says in how many milliseconds the next is due": async ({
    store: { timers: own },
  }) => {
    await own.add([timer("a", 0)]);
    let since = clock.monotonic();
    const { entries, nextDueMs = -1 } = await own.lease(["q"], { limit: 10, ttlMs: 200 });
    expect(entries).toHaveLength(1);
    expectLeft(nextDueMs, 200, since);
    expect(await own.remove(named("a"))).toEqual([false]);
    await sleep(nextDueMs + 10);
    expect(await own.remove([...named("a", "never"), { queue: "r", id: "a" }, ...named("a")])).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(await own.remove([])).toEqual([]);
    expect(await own.ack(entries)).toEqual([false]);
    expect(await countOf(own)).toBe(0);
    since = clock.monotonic();
    await own.add([timer("b", 300)]);
    const next = await own.lease(["q"], { limit: 10, ttlMs: 50 });
    expect(next.entries).toEqual([]);
    expectLeft(next.nextDueMs, 300, since);
  },
  "reads timers by the time at which they are due, in pages": async ({ store: { timers: own }, other }) => {
    const ids = Array.from({ length: 25 }, (_, n) => `t${String(n).padStart(2, "0")}`);
    await own.add([timer("leased", 0), ...ids.map((id) => timer(id, 5_000)), timer("last", 60_000)]);
    await own.add([timer("other", 0, "r"), timer("first", 1_000)]);
    expect((await own.lease(["q"], { limit: 10, ttlMs: 20_000 })).entries).toHaveLength(1);
    await own.add([timer("late", 0)]);
    await sleep(20);
    const whole = await other.timers.read("q", { limit: 1_000 });
    expect(whole.after).toBeUndefined();
    expect(whole.items.map(({ id }) => id).slice(0, 2)).toEqual(["late", "first"]);
    expect(byId(whole.items.slice(2, 27))).toEqual(ids);
    expect(whole.items.slice(27).map(({ id, leased }) => [id, leased])).toEqual([
      ["leased", true],
      ["last", false],
    ]);
    expect(whole.items[0]).toMatchObject({ payload: "LATE", leased: false });
    expect(whole.items[0]?.dueInMs).toBeLessThan(0);
    expect(whole.items[1]?.dueInMs).toBeGreaterThan(500);
    expect(whole.items[1]?.dueInMs).toBeLessThanOrEqual(1_000);
    const paged: string[] = [];
    for (let after: string | undefined, n = 0; n < 20; n++) {
      const page = await own.read("q", { limit: 4, ...(after === undefined ? {} : { after }) });
      expect(page.items.length).toBeLessThanOrEqual(4);
      paged.push(...page.items.map(({ id }) => id));
      after = page.after;
      if (after === undefined) break;
    }
    expect(paged).toEqual(whole.items.map(({ id }) => id));
    expect(await own.read("none", { limit: 1 })).toEqual({ items: [] });
  },
  "clears the timers of the queues given, leased or not": async ({ store: { timers: own }, other }) => {
    await own.add(["q", "r", "s"].flatMap((queue) => [timer("a", 0, queue), timer("b", 0, queue)]));
    expect((await own.lease(["q"], { limit: 1, ttlMs: 0 })).entries).toHaveLength(1);
    await other.timers.clear(["q", "s", "none"]);
    await other.timers.clear([]);
    expect(await own.count(["q", "r", "s"])).toEqual([0, 2, 0]);
    expect(await own.lease(["q"], { limit: 10, ttlMs: 50 })).toEqual({ entries: [] });
    expect(byId((await own.lease(["r"], { limit: 10, ttlMs: 50 })).entries)).toEqual(["a", "b"]);
  },
};
