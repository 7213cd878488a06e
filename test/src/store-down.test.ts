/** The shared controls while their store fails or hangs, and withLock(). */
import { boost, configure, fct, shutdown, withLock } from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { type Clock, setClock, sleep } from "../../src/clock.ts";
import type { Store } from "../../src/contract/index.ts";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));

let queues = 0;
/** A task on a broker whose store is this one. */
const on = (store: Store = memoryStore()) => ({
  queue: `down.${queues++}`,
  broker: { ...memory(), store: async () => store },
  rpc: true,
  backoff: 0,
  maxRetries: 0,
});
const down = () => Promise.reject(new Error("the store is down"));

describe("a store that fails", () => {
  it("does not make slowDown() fail the task", async () => {
    const store = memoryStore();
    const task = boost(
      {
        ...on({ ...store, set: (entries) => (entries.some(({ key }) => key.startsWith("live:hold")) ? down() : store.set(entries)) }),
        qps: 100,
        qpsScope: "global",
      },
      async () => {
        await fct.slowDown(20);
        return "done";
      },
    );
    await task.consume();
    expect(await (await task.push()).waitResult({ timeout: 2_000 })).toBe("done");
  });

  it("at the start of consuming is waited for", async () => {
    const store = memoryStore();
    let failing = true;
    const task = boost(on({ ...store, get: (keys) => (failing ? down() : store.get(keys)) }), () => 1);
    const consuming = task.consume();
    consuming.catch(() => {});
    await sleep(300);
    failing = false;
    await consuming;
    expect(await (await task.push()).waitResult({ timeout: 2_000 })).toBe(1);
  });

  it("at the start of consuming does not hold shutdown()", async () => {
    const task = boost(on({ ...memoryStore(), get: down }), () => 1);
    const consuming = task.consume();
    const refused = expect(consuming).rejects.toMatchObject({ code: "SHUT_DOWN" });
    await sleep(100);
    const from = performance.now();
    await shutdown({ grace: 5_000 });
    await refused;
    expect(performance.now() - from).toBeLessThan(2_000);
  });

  it("does not put the row of a start behind that of the end", async () => {
    const store = memoryStore();
    let fails = 1;
    const set: Store["set"] = (entries) => (entries.some(({ key }) => key.startsWith("record:")) && fails-- > 0 ? down() : store.set(entries));
    const task = boost({ ...on({ ...store, set }), record: { running: true } }, () => sleep(20));
    await task.consume();
    const handle = await task.push();
    await handle.waitResult({ timeout: 2_000 }).catch(() => {});
    await sleep(300);
    expect((await task.records()).map(({ status }) => status)).toEqual(["done"]);
  });

  it("does not keep the process after shutdown()", async () => {
    const store = memoryStore();
    const set: Store["set"] = (entries) => (entries.some(({ key }) => key.startsWith("filter:")) ? down() : store.set(entries));
    const task = boost({ ...on({ ...store, set }), filter: true }, () => {});
    await task.consume();
    await task.push();
    await sleep(50);
    await shutdown({ grace: 50 });
    const keeping: number[] = [];
    const after: Clock["after"] = (ms, run, options) => {
      if (!options?.unref) keeping.push(ms);
      const timer = setTimeout(run, ms).unref();
      return () => clearTimeout(timer);
    };
    setClock({ now: Date.now, monotonic: () => performance.now(), after });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    setClock();
    expect(keeping.filter((ms) => ms < 30_000)).toEqual([]); // but for the deadline of a call, taken back when it answers
  });

  it("ends a lock whose renewal hangs, at its ttl", async () => {
    const store = memoryStore();
    let hangs = false;
    const broker = {
      ...memory(),
      store: async () => ({ ...store, lease: (...args: Parameters<Store["lease"]>) => (hangs ? new Promise<never>(() => {}) : store.lease(...args)) }),
    };
    await withLock("k", { ttl: 200, broker }, async (signal) => {
      hangs = true;
      await sleep(400);
      expect(signal.aborted).toBe(true);
      hangs = false;
    });
  }, 3_000);
});

describe("withLock", () => {
  it("refuses what it does not know, and does not begin when it is aborted already", async () => {
    const broker = memory();
    await expect(withLock("k", { tll: 5 } as never, () => {})).rejects.toMatchObject({ code: "BAD_OPTION" });
    await expect(withLock("k", undefined as never, () => {})).rejects.toMatchObject({ code: "BAD_OPTION" });
    await expect(withLock("k", { broker, signal: AbortSignal.abort(new Error("gone")) }, () => {})).rejects.toThrow("gone");
  });
});
