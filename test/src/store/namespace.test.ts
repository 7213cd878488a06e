/** storeOf(): a namespace of a task's store. */
import { boost, storeOf } from "funboost";
import { afterEach, describe, expect, it } from "vitest";
import { memory } from "../../../adapters/memory/broker.ts";
import { memoryStore } from "../../../adapters/memory/store.ts";
import { sleep } from "../../../src/base/clock.ts";
import type { Store } from "../../../src/contract/index.ts";
import { order } from "../../support/store-cases/order.ts";
import { storeCases } from "../../support/store-cases.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

let n = 0;
function given() {
  const store = memoryStore();
  const broker = { ...memory(), store: async () => store };
  closers.push(() => store.close());
  return { store, task: boost({ queue: `storeof${n++}`, broker }, () => {}) };
}

/** Something of each kind. */
async function fill(store: Store): Promise<void> {
  await store.set([{ key: "k", value: "1" }]);
  await store.increment([{ key: "n", by: 1 }]);
  await store.list.append([{ key: "k", items: ["1"] }]);
  await store.map.put([{ key: "k", fields: [["f", "1"]] }]);
  await store.index.put("k", [{ id: "a", value: "1" }]);
  await store.timers.add([{ queue: "k", id: "t", dueInMs: 0, payload: "1" }]);
  await store.results.put("k", [{ id: "r", outcome: "1", ttlMs: 10_000 }]);
  await store.lease("k", "me", 10_000);
  await store.reserve("k", { perMs: 10_000, places: 1, count: 1, slackMs: 0 });
}

/** What a store shows of that. */
const seen = async (store: Store) => ({
  values: await store.get(["k", "n"]),
  list: await store.list.read("k", 0, 9),
  map: await store.map.get("k", ["f"]),
  fields: (await store.map.read("k", { limit: 9 })).items,
  index: (await store.index.read("k", { limit: 9 })).items,
  members: await store.index.count("k"),
  timers: await store.timers.count(["k"]),
  waiting: (await store.timers.read("k", { limit: 9 })).items.length,
  leased: (await store.timers.lease(["k"], { limit: 9, ttlMs: 0 })).entries.map(({ queue, id }) => [queue, id]),
  results: await store.results.get("k", ["r"]),
  held: (await store.lease("k", "another", 1)) === null,
  starts: (await store.reserve("k", { perMs: 10_000, places: 1, count: 1, slackMs: 0, aheadMs: 0 })).starts.length,
});

describe("storeOf()", () => {
  it("shows what lies under its namespace, and nobody else does", async () => {
    const { store, task } = given();
    const empty = await seen(memoryStore());
    const own = await storeOf(task, "own");
    await fill(own);
    const others = [store, await storeOf(task, "ow"), await storeOf(task, "own.k"), await storeOf(task, "other")];
    for (const other of others) expect(await seen(other)).toEqual(empty);
    expect(await seen(own)).toEqual({
      values: ["1", "1"],
      list: ["1"],
      map: ["1"],
      fields: [["f", "1"]],
      index: [{ id: "a", value: "1" }],
      members: 1,
      timers: [1],
      waiting: 1,
      leased: [["k", "t"]],
      results: ["1"],
      held: true,
      starts: 0,
    });
    for (const other of others) {
      await other.delete(["k", "n"]);
      await other.expire([{ key: "k", ttlMs: 0 }]);
      await other.timers.clear(["k"]);
      await other.results.delete("k", ["r"]);
      await other.index.remove("k", ["a"]);
      await other.map.remove("k", ["f"]);
      await other.release("k", "me");
    }
    expect(await seen(await storeOf(task, "own"))).toMatchObject({ list: ["1"], map: ["1"], members: 1, held: true });
  });

  it("tells and hears on channels of its own", async () => {
    const { store, task } = given();
    const heard: string[] = [];
    const own = await storeOf(task, "own");
    for (const [name, each] of [
      ["own", own],
      ["bare", store],
      ["other", await storeOf(task, "other")],
    ] as const)
      await each.subscribe("c", (text) => void heard.push(`${name} ${text}`));
    await own.notify("c", "hello");
    await sleep(10);
    expect(heard).toEqual(["own hello"]);
  });

  it("writes while a lease of its namespace is held, and closes nothing", async () => {
    const { store, task } = given();
    const own = await storeOf(task, "own");
    const { fence } = (await own.lease("l", "me", 10_000)) ?? { fence: 0 };
    const holding = { lease: "l", fence };
    expect(await own.map.put([{ key: "m", fields: [["f", "1"]], holding }])).toEqual([{ written: [true], size: 1 }]);
    const lost = [{ written: [false], size: 0, lost: true }];
    expect(await store.map.put([{ key: "m", fields: [["f", "1"]], holding }])).toEqual(lost);
    await own.close();
    expect(await own.map.get("m", ["f"])).toEqual(["1"]);
  });

  it.each([
    ...Object.keys(order),
    "leases timers of several queues in one call, by the time at which they are due",
    "reads timers by the time at which they are due, in pages",
    "keeps maps, and answers what was written and how many fields there are",
    "reads an index by the bytes of its ids, in pages, with a prefix",
  ])("keeps what the store promises: %s", async (sentence) => {
    const { task } = given();
    const store = await storeOf(task, "a.b-c_d");
    await storeCases[sentence]?.({ store, other: store, open: async () => store });
  });

  it("refuses a namespace that could meet another, and what is no task", async () => {
    const { task } = given();
    for (const bad of ["", "a/b", "a b", "@a", "ä", "x".repeat(65), 5, undefined])
      await expect(storeOf(task, bad as string)).rejects.toThrow(/namespace .*1 to 64 letters/);
    await expect(storeOf(() => {}, "a")).rejects.toThrow(/storeOf\(\) takes a task made by boost\(\), got/);
  });
});
