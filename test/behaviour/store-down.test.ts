/** The shared controls while their store fails or hangs, and withLock(). */
import { stat } from "node:fs/promises";
import { boost, configure, fct, shutdown, withLock } from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { type Clock, setClock, sleep } from "../../src/base/clock.ts";
import type { Store } from "../../src/contract/index.ts";
import { guardedStore } from "../../src/store/guarded.ts";
import { healthOf } from "../../src/store/health.ts";
import { gate, rejection } from "../conformance/until.ts";
import { handClock } from "../support/hand-clock.ts";
import { onStore } from "../support/on-store.ts";
import { quickClock } from "../support/quick-clock.ts";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));

const down = () => Promise.reject(new Error("the store is down"));

describe("a store that fails", () => {
  it("does not make slowDown() fail the task", async () => {
    const store = memoryStore();
    const task = boost(
      {
        ...onStore({
          ...store,
          set: (entries) => (entries.some(({ key }) => key.startsWith("live:hold")) ? down() : store.set(entries)),
        }),
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
    const task = boost(onStore({ ...store, get: (keys) => (failing ? down() : store.get(keys)) }), () => 1);
    const consuming = task.consume();
    consuming.catch(() => {});
    await sleep(300);
    failing = false;
    await consuming;
    expect(await (await task.push()).waitResult({ timeout: 2_000 })).toBe(1);
  });

  it("at the start of consuming does not hold shutdown()", async () => {
    const task = boost(onStore({ ...memoryStore(), get: down }), () => 1);
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
    const set: Store["set"] = (entries) =>
      entries.some(({ key }) => key.startsWith("record:")) && fails-- > 0 ? down() : store.set(entries);
    const task = boost({ ...onStore({ ...store, set }), record: { running: true } }, () => sleep(20));
    await task.consume();
    const handle = await task.push();
    await handle.waitResult({ timeout: 2_000 }).catch(() => {});
    await sleep(300);
    expect((await task.records()).map(({ status }) => status)).toEqual(["done"]);
  });

  it("does not keep the process after shutdown()", async () => {
    const store = memoryStore();
    const set: Store["set"] = (entries) =>
      entries.some(({ key }) => key.startsWith("filter:")) ? down() : store.set(entries);
    const task = boost({ ...onStore({ ...store, set }), filter: true }, () => {});
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
    expect(keeping.filter((ms) => ms < 10_000)).toEqual([]); // but for the deadline of a call, taken back when it answers
  });

  it("ends a lock whose renewal hangs, at its ttl", async () => {
    const store = memoryStore();
    let hangs = false;
    const broker = {
      ...memory(),
      store: async () => ({
        ...store,
        lease: (...args: Parameters<Store["lease"]>) => (hangs ? new Promise<never>(() => {}) : store.lease(...args)),
      }),
    };
    await withLock("k", { ttl: 200, broker }, async (signal) => {
      hangs = true;
      await sleep(400);
      expect(signal.aborted).toBe(true);
      hangs = false;
    });
  }, 3_000);
});

/** What is said, by level. */
function listening() {
  const lines: [level: string, text: string][] = [];
  const say = (level: string) => (_: object, text: string) => void lines.push([level, text]);
  const logger = { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") };
  return {
    log: { level: "info", logger } as const,
    lines,
    said: (text: string) => lines.filter((line) => line[1].startsWith(text)).length,
  };
}

/** The store, and a way to have each call go through `how` before it. */
function through(store: Store, how: (call: string, first: unknown) => Promise<unknown> | undefined): Store {
  const wrap = <T extends object>(target: T) =>
    Object.fromEntries(
      Object.entries(target).map(([name, call]) => [
        name,
        typeof call === "function" && name !== "close" && name !== "wait"
          ? async (...args: unknown[]) => {
              await how(name, args[0]);
              return (call as (...args: unknown[]) => unknown)(...args);
            }
          : call,
      ]),
    ) as T;
  return {
    ...wrap(store),
    timers: wrap(store.timers),
    list: wrap(store.list),
    map: wrap(store.map),
    results: wrap(store.results),
  };
}

describe("a store in trouble", () => {
  it("is said once, however many messages wait for it, and once that it answers again", async () => {
    let failing = false;
    const { log, lines, said } = listening();
    const store = through(memoryStore(), () => (failing ? down() : undefined));
    const door = gate();
    let runs = 0;
    const task = boost({ ...onStore(store), log, record: true, filter: true, concurrency: 100 }, (_n: number) => {
      runs++;
      return door.opened;
    });
    const handles = await task.pushMany(Array.from({ length: 100 }, (_, n): [number] => [n]));
    await task.consume();
    await expect.poll(() => runs).toBe(100);
    failing = true;
    door.open();
    await expect.poll(() => said("the store does not answer")).toBe(1);
    await sleep(1_500);
    failing = false;
    await Promise.all(handles.map((handle) => handle.waitResult({ timeout: 10_000 })));
    expect(lines).toEqual([
      ["error", "the store does not answer: what needs it waits until it does"],
      ["info", "the store answers again"],
    ]);
  });

  it("with one call that always fails fills no log, and holds nothing else", async () => {
    const { log, said } = listening();
    const isRow = (call: string, first: unknown) =>
      call === "append" && JSON.stringify(first).startsWith('[{"key":"records:');
    const store = through(memoryStore(), (call, first) => (isRow(call, first) ? down() : undefined));
    const { queue: other, ...rest } = onStore(store);
    const recorded = boost({ ...rest, queue: `${other}.recorded`, log, record: true, concurrency: 5 }, () => 1);
    const plain = boost({ ...rest, queue: other, log }, (n: number) => n);
    await Promise.all([recorded.consume(), plain.consume()]);
    await recorded.pushMany(Array.from({ length: 20 }, (): [] => []));
    for (let n = 0; n < 20; n++) expect(await (await plain.push(n)).waitResult({ timeout: 5_000 })).toBe(n);
    await sleep(1_500);
    expect(said("the store does not answer")).toBe(1);
    expect(said("the store answers again")).toBeLessThanOrEqual(1);
  }, 15_000);

  it("whose answers are lost is asked again: nothing waits for ever", async () => {
    // The deadlines of calls pass twenty times as fast.
    const factor = 20;
    setClock(quickClock((ms) => ms / factor, { now: Date.now, monotonic: () => performance.now() * factor }));
    try {
      let lost = false;
      const store = through(memoryStore(), () => (lost ? new Promise<never>(() => {}) : undefined));
      const door = gate();
      let runs = 0;
      const task = boost(
        { ...onStore(store), record: true, filter: true, qps: 1000, qpsScope: "global" },
        (_n: number) => {
          runs++;
          return door.opened.then(() => 7);
        },
      );
      await task.consume();
      const first = await task.push(1);
      await expect.poll(() => runs).toBe(1);
      lost = true;
      door.open();
      await task.push(2);
      await sleep(4_000);
      expect(runs).toBe(1);
      lost = false;
      expect(await first.waitResult({ timeout: 200_000 })).toBe(7);
      await expect.poll(() => runs, { timeout: 10_000 }).toBe(2);
      await expect.poll(() => task.count()).toBe(0);
      expect(runs).toBe(2);
    } finally {
      setClock();
    }
  }, 20_000);

  it("fetches nothing for a task that needs it, and leaves a task alone that does not", async () => {
    let failing = false;
    const store = through(memoryStore(), () => (failing ? down() : undefined));
    const windows: Record<string, number> = {};
    const inner = { ...memory(), store: async () => store };
    const broker: typeof inner = {
      ...inner,
      async open(spec) {
        const queue = await inner.open(spec);
        const consume: typeof queue.consume = async (...how) => {
          const consumer = await queue.consume(...how);
          const setWindow = (n: number) => {
            windows[spec.queue] = n;
            consumer.setWindow(n);
          };
          return { ...consumer, setWindow };
        };
        return { ...queue, consume };
      },
    };
    const kinds = {
      plain: {},
      rpc: { rpc: true },
      record: { record: true },
      filter: { filter: true },
      rate: { qps: 5, qpsScope: "global" as const },
      published: { filter: { when: "published" as const } },
    };
    for (const [queue, options] of Object.entries(kinds))
      await boost({ queue, broker, concurrency: 4, ...options }, (_n: number) => {}).consume();
    await expect.poll(() => Object.values(windows).filter((n) => n > 0).length).toBe(6);
    failing = true;
    await expect.poll(() => windows).toMatchObject({ rpc: 0, record: 0, filter: 0, rate: 0, published: 0 });
    expect(windows.plain).toBeGreaterThan(0);
    failing = false;
    await expect.poll(() => Object.values(windows).filter((n) => n > 0).length).toBe(6);
  });
});

describe("a store's call", () => {
  afterEach(() => setClock());

  /** The deadline comes after 50 ms. */
  const soon = () => setClock(quickClock((ms) => (ms === 10_000 ? 50 : ms)));

  it("counts when its answer came while the process stood still", async () => {
    soon();
    const inner = memoryStore();
    const increment: Store["increment"] = async (counters) => {
      const answer = inner.increment(counters);
      await stat(".");
      return answer;
    };
    const asked = guardedStore({ ...inner, increment }).increment([{ key: "k", by: 1 }]);
    for (const from = performance.now(); performance.now() - from < 100; );
    expect(await asked).toEqual([1]);
  });

  it("that throws at once rejects, and is no outage later", async () => {
    const { pass } = handClock();
    const increment = () => {
      throw new Error("no");
    };
    const store = guardedStore({ ...memoryStore(), increment });
    await expect(store.increment([])).rejects.toMatchObject({ code: "BROKER_DOWN" });
    await store.get(["k"]);
    expect(healthOf(store).down).toBe(false);
    await pass(11_000);
    expect(healthOf(store).down).toBe(false);
  });

  it("that subscribes too late is taken back", async () => {
    const { pass } = handClock();
    const late = gate();
    let stopped = 0;
    const subscribe = () => late.opened.then(() => () => void stopped++);
    const refused = rejection(guardedStore({ ...memoryStore(), subscribe }).subscribe("c", () => {}));
    await pass(11_000);
    expect((await refused).code).toBe("BROKER_DOWN");
    late.open();
    await expect.poll(() => stopped).toBe(1);
  });
});

describe("withLock", () => {
  it("refuses what it does not know, and does not begin when it is aborted already", async () => {
    const broker = memory();
    await expect(withLock("k", { tll: 5 } as never, () => {})).rejects.toMatchObject({ code: "BAD_OPTION" });
    await expect(withLock("k", undefined as never, () => {})).rejects.toMatchObject({ code: "BAD_OPTION" });
    await expect(withLock("k", { broker, signal: AbortSignal.abort(new Error("gone")) }, () => {})).rejects.toThrow(
      "gone",
    );
  });
});
