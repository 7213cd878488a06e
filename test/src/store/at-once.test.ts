/** What is written to a store of this process is there when the call returns; what stands before that store is asked. */
import { channel } from "node:diagnostics_channel";
import { boost, configure, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import type { Store } from "../../../src/contract/index.ts";
import { putAtOnce, setAtOnce } from "../../../src/store/at-once.ts";
import { guardedStore } from "../../../src/store/guarded.ts";
import { withStore } from "../../support/with-store.ts";

configure({ signals: false, log: false });
let queues = 0;
const fresh = () => ({ queue: `at-once.${queues++}`, broker: withStore(memory(), memoryStore()) });
afterEach(() => shutdown({ grace: 100 }));

const result = { id: "1", outcome: { id: "1", result: [7] }, ttlMs: 10_000 };
const text = JSON.stringify(result.outcome);
const entry = { key: "k", value: "a", if: "absent" } as const;

describe("a write at once", () => {
  it("is there for every read, as text, for who waits too", async () => {
    const store = guardedStore(memoryStore());
    const waiting = store.results.wait("q", "1", new AbortController().signal);
    expect(putAtOnce(store, "q", result)).toBe(true);
    expect([await waiting, await store.results.get("q", ["1"])]).toEqual([text, [text]]);
    expect(await store.results.wait("q", "1", new AbortController().signal)).toBe(text);
  });
  it("comes in order with those that have a promise", async () => {
    const store = guardedStore(memoryStore());
    const setting = store.set([entry]);
    expect(setAtOnce(store, { ...entry, value: "b" })).toBe(false);
    expect(setAtOnce(store, { ...entry, value: "c", if: { equals: "a" } })).toBe(true);
    expect([await setting, await store.get(["k"])]).toEqual([[true], ["c"]]);
    const putting = store.results.put("q", [{ ...result, outcome: "first" }]);
    putAtOnce(store, "q", result);
    await putting;
    expect(await store.results.get("q", ["1"])).toEqual(["first"]);
  });
  it("makes a text of what is read, and of nothing else, once", async () => {
    const store = memoryStore();
    let texts = 0;
    const outcome = { toJSON: () => ++texts };
    putAtOnce(store, "q", { ...result, outcome });
    expect(texts).toBe(0);
    expect([await store.results.get("q", ["1", "1"]), texts]).toEqual([["1", "1"], 1]);
  });
  it("does not go past a store of somebody's own that stands before it", () => {
    const inner = memoryStore();
    const outer: Store = {
      ...inner,
      set: (entries) => inner.set(entries),
      results: { ...inner.results, put: (...how) => inner.results.put(...how) },
    };
    const store = guardedStore(outer);
    expect([putAtOnce(store, "q", result), setAtOnce(store, entry)]).toEqual([false, undefined]);
  });
  it("is a call with a promise for whoever watches the store", async () => {
    const calls: unknown[] = [];
    const note = (event: unknown) => void calls.push((event as { call: string }).call);
    const ends = channel("funboost:store:end");
    ends.subscribe(note);
    const task = boost({ ...fresh(), rpc: true, filter: true }, (n: number) => n);
    await task.consume();
    expect(await (await task.push(7)).waitResult()).toBe(7);
    ends.unsubscribe(note);
    expect(calls).toEqual(expect.arrayContaining(["set", "results.put"]));
  });
});

describe("a result that is text only when it is read", () => {
  it("is what the function had returned, and each reader's own", async () => {
    const kept = { list: [1] };
    const task = boost({ ...fresh(), rpc: true }, () => kept);
    await task.consume();
    const handle = await task.push();
    const first = await handle.waitResult();
    kept.list.push(2);
    first.list.push(3);
    expect(await handle.waitResult()).toEqual({ list: [1] });
  });
  it("is not what its row's hook makes of it", async () => {
    const onRecord = (row: { readonly result?: unknown }) => void (row.result as number[]).push(2);
    const task = boost({ ...fresh(), rpc: true, onRecord }, () => [1]);
    await task.consume();
    expect(await (await task.push()).waitResult()).toEqual([1]);
  });
});
