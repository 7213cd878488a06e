import { boost, configure, shutdown } from "funboost";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { sleep } from "../../../src/base/clock.ts";
import type { Store } from "../../../src/contract/index.ts";
import { gate } from "../../conformance/until.ts";
import { onStore } from "../../support/on-store.ts";

configure({ lease: "1s", signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));

describe("filter, when done", () => {
  it("keeps a result and the mark that it is done in one write, before anything else", async () => {
    const store = memoryStore();
    const writes: string[] = [];
    const set: Store["set"] = (entries) => {
      for (const { key, value } of entries)
        if (key.startsWith("filter:") && value.startsWith("done ")) writes.push(value);
      return store.set(entries);
    };
    const put: Store["results"]["put"] = (queue, results) => {
      writes.push("result");
      return store.results.put(queue, results);
    };
    const task = boost(
      { ...onStore({ ...store, set, results: { ...store.results, put } }), filter: true },
      (n: number) => ({
        twice: n * 2,
      }),
    );
    await task.consume();
    await (await task.push(2)).waitResult();
    expect(writes.map((each) => (each.includes('"result":{"twice":4}') ? "mark" : each))).toEqual(["mark", "result"]);
  });

  it("takes a claim that lapsed unseen again while its task runs", async () => {
    const store = memoryStore();
    const door = gate();
    let runs = 0;
    const task = boost({ ...onStore(store), rpc: true, filter: { key: () => "one" } }, async () => {
      runs++;
      await door.opened;
      return runs;
    });
    const keys: string[] = [];
    const { set } = store;
    store.set = (entries) => {
      keys.push(...entries.map(({ key }) => key).filter((key) => key.startsWith("filter:")));
      return set(entries);
    };
    await task.consume();
    const first = await task.push();
    await expect.poll(() => runs).toBe(1);
    await set([{ key: keys[0] ?? "", value: "", ttlMs: 1 }]); // as if the store had stood still for its ttl
    const before = keys.length;
    await expect.poll(() => keys.length).toBeGreaterThan(before + 1);
    const second = await task.push();
    await sleep(300);
    door.open();
    expect([await first.waitResult(), await second.waitResult(), runs]).toEqual([1, 1, 1]);
  });

  it("is free again when its owner was cancelled while it waited for a retry", async () => {
    let fails = true;
    const task = boost({ ...onStore(), filter: true, backoff: 60_000, maxRetries: 2 }, () => {
      if (fails) throw new Error("no");
      return 1;
    });
    await task.consume();
    const handle = await task.push();
    await expect.poll(() => handle.state()).toBe("delayed");
    expect(await handle.cancel()).toBe(true);
    fails = false;
    expect(await (await task.push()).waitResult({ timeout: 2_000 })).toBe(1);
  });

  it("answers the owner's result for as long as it filters", async () => {
    const task = boost({ ...onStore(), rpc: { ttl: 100 }, filter: { ttl: "1h" } }, (n: number) => n * 2);
    await task.consume();
    expect(await (await task.push(1)).waitResult()).toBe(2);
    await sleep(200);
    expect(await (await task.push(1)).waitResult()).toBe(2);
  });
});
