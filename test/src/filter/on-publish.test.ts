import { boost, configure, shutdown } from "funboost";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import type { Store } from "../../../src/contract/index.ts";
import { filterKey } from "../../../src/filter/key.ts";
import { onStore } from "../../support/on-store.ts";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));

describe("filter, when published", () => {
  it("a process that dies between its claim and the publish does not block equal messages for the ttl", async () => {
    const store = memoryStore();
    const kept: (number | undefined)[] = [];
    const set: Store["set"] = (entries) => {
      for (const { key, ttlMs } of entries) if (key.startsWith("filter:")) kept.push(ttlMs);
      return store.set(entries);
    };
    const task = boost(
      { ...onStore({ ...store, set }), publishTimeout: 500, filter: { when: "published", ttl: "7d" } },
      () => {},
    );
    await task.push();
    expect(kept[0]).toBeLessThan(5_000);
    expect(kept.at(-1)).toBe(7 * 86_400_000);
  });

  it("takes the claim of a publisher that died when that has ended, and loses nothing", async () => {
    const store = memoryStore();
    const params = { ...onStore(store), filter: { when: "published" as const } };
    const task = boost(params, (_n: number) => {});
    const key = filterKey(`memory:${params.queue}`, { ttlMs: 1, key: undefined, when: "published" }, [1], undefined);
    await store.set([{ key, value: "claim somebody", ttlMs: 300 }]);
    const from = performance.now();
    const [handle, other] = await task.pushMany([[1], [2]]);
    expect([handle?.existing, other?.existing, await task.count()]).toEqual([false, false, 2]);
    expect(performance.now() - from).toBeGreaterThan(200);
    expect(await store.get([key])).toEqual([`published ${handle?.id}`]);
  });

  it("does not call published what another has only claimed", async () => {
    const store = memoryStore();
    const params = { ...onStore(store), publishTimeout: 300, filter: { when: "published" as const } };
    const task = boost(params, (_n: number) => {});
    const key = filterKey(`memory:${params.queue}`, { ttlMs: 1, key: undefined, when: "published" }, [1], undefined);
    await store.set([{ key, value: "claim somebody", ttlMs: 60_000 }]);
    await expect(task.push(1)).rejects.toMatchObject({ code: "PUBLISH_FAILED", accepted: [] });
  });

  it("a task that was cancelled keeps no equal one from being published", async () => {
    const task = boost({ ...onStore(), filter: { when: "published" } }, () => "ran");
    const first = await task.push();
    expect(await first.cancel()).toBe(true);
    await task.consume();
    const [again, equal] = [await task.push(), await task.push()];
    expect([again.existing, equal.existing, equal.id === again.id]).toEqual([false, true, true]);
    expect(await equal.waitResult({ timeout: 2_000 })).toBe("ran");
  });

  it("refuses a key that is no text", async () => {
    const task = boost({ ...onStore(), filter: { when: "published", key: (() => 1) as never } }, () => {});
    await expect(task.push()).rejects.toThrow(/filter.key\(\) answered 1/);
  });
});
