import { boost, configure, shutdown } from "funboost";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { sleep } from "../../../src/base/clock.ts";
import type { Store } from "../../../src/contract/index.ts";
import { onStore } from "../../support/on-store.ts";

configure({ signals: false, log: { level: "silent" } });
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
