/** What every store promises of results. */
import { expect } from "vitest";
import { clock, sleep } from "../../../src/base/clock.ts";
import type { Store } from "../../../src/contract/index.ts";
import { never, type StoreCase } from "./case.ts";

export const results: Record<string, StoreCase> = {
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
