/** Times: each that comes from outside is checked, a delay is decided once, durations read the same everywhere. */
import {
  boost,
  configure,
  fct,
  type LogLine,
  type PublishOptions,
  RequeueError,
  RetryError,
  shutdown,
  type TaskParams,
  withLock,
} from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { checkSpec as checkAgenda } from "../../adapters/agenda/options.ts";
import { checkSpec as checkBee } from "../../adapters/bee-queue/options.ts";
import { setClock } from "../../src/base/clock.ts";
import { bareBroker } from "../support/bare-broker.ts";
import { quickClock } from "../support/quick-clock.ts";
import { withStore } from "../support/with-store.ts";

const lines: LogLine[] = [];
configure({ signals: false, log: { level: "warn", logger: collector() } });
afterEach(async () => {
  setClock();
  await shutdown({ grace: 100 });
});

function collector() {
  const collect = (facts: object, text: string) => void lines.push({ ...facts, text } as never);
  return { debug: collect, info: collect, warn: collect, error: collect } as never;
}

let queues = 0;
const on = (more: Partial<TaskParams> = {}) => ({ queue: `time.${queues++}`, broker: memory(), rpc: true, ...more });
const wait = { timeout: "15s" } as const;

/** The wall clock of this process is so far off; timers and the monotonic clock are right. */
const wallClock = (byMs: number) =>
  setClock(quickClock((ms) => ms, { now: () => Date.now() + byMs, monotonic: () => performance.now() }));

describe("a delay is decided once", () => {
  const engines = [
    ["that carries delays", () => memory()],
    ["whose delays are timers of the store", () => withStore(bareBroker(), memoryStore())],
  ] as const;

  it.each(engines)(
    "a clock that is set back an hour afterwards does not hold it, on an engine %s",
    async (_, broker) => {
      const task = boost(on({ broker: broker() }), () => "ran");
      const delayed = await task.publish([], { delay: 300 });
      const timed = await task.publish([], { eta: new Date(Date.now() + 300) });
      wallClock(-3_600_000);
      await task.consume();
      expect([await delayed.waitResult(wait), await timed.waitResult(wait)]).toEqual(["ran", "ran"]);
    },
  );

  it.each(engines)("a publisher that is 20 s ahead makes it no longer, on an engine %s", async (_, broker) => {
    const task = boost(on({ broker: broker() }), () => "ran");
    wallClock(20_000);
    const handle = await task.publish([], { delay: "1s" });
    setClock();
    await task.consume();
    expect(await handle.waitResult(wait)).toBe("ran");
  });
});

describe("a time that an error asks for", () => {
  it.each([
    ["RetryError", new RetryError({ after: Number.POSITIVE_INFINITY })],
    ["RetryError", new RetryError({ after: 1e300 })],
    ["RequeueError", new RequeueError({ after: 1e300 })],
  ])("%s: is cut to what engines hold, and that is said", async (_, error) => {
    lines.length = 0;
    const task = boost(on(), () => {
      throw error;
    });
    await task.consume();
    const handle = await task.push();
    await expect.poll(() => handle.state()).toBe("delayed");
    const said = lines.find((line) => "delayMs" in line) as unknown as { delayMs: number; after: string };
    expect(said.delayMs).toBeLessThanOrEqual(Date.UTC(10_000, 0, 1) - Date.now());
    expect(said.delayMs).toBeGreaterThan(1e14);
    expect(said.after).toBe(String(error.after));
  });

  it.each([[Number.NaN], [-5], [{} as never], [undefined]])("%s is at once, or as the task says", async (after) => {
    const task = boost(on({ backoff: 0 }), () => {
      if (fct.attempt === 1) throw new RetryError(after === undefined ? {} : { after });
      return "ran";
    });
    await task.consume();
    expect(await (await task.push()).waitResult(wait)).toBe("ran");
  });

  it("that changed after it was made does not hold the message", async () => {
    const task = boost(on({ backoff: 0 }), () => {
      if (fct.attempt === 1) throw Object.assign(new RetryError(), { after: "soon" });
      return "ran";
    });
    await task.consume();
    expect(await (await task.push()).waitResult(wait)).toBe("ran");
  });
});

const bad = [-1, Number.NaN, Number.POSITIVE_INFINITY, 1e300, 8.65e15, "soon", "-1s", "9999999d", null] as const;
const good = ["1500ms", "1.5s", 1_500] as const;

describe("a duration", () => {
  const params: Record<string, (value: never) => Partial<TaskParams>> = {
    timeout: (value) => ({ timeout: value }),
    expireAfter: (value) => ({ expireAfter: value }),
    publishTimeout: (value) => ({ publishTimeout: value }),
    backoff: (value) => ({ backoff: value }),
    "backoff.base": (value) => ({ backoff: { base: value } }),
    "backoff.cap": (value) => ({ backoff: { cap: value } }),
    "filter.ttl": (value) => ({ filter: { ttl: value } }),
    "rpc.ttl": (value) => ({ rpc: { ttl: value } }),
    "rpc.timeout": (value) => ({ rpc: { timeout: value } }),
    "record.ttl": (value) => ({ record: { ttl: value } }),
    "qps.per": (value) => ({ qps: { count: 1, per: value } }),
  };
  it.each(Object.entries(params))("of a task, %s, reads as all others", (name, make) => {
    for (const value of good) boost(on(make(value as never)), () => {});
    for (const value of bad) {
      const refused = expect(() => boost(on(make(value as never)), () => {}), `${value}`);
      refused.toThrow(expect.objectContaining({ code: "BAD_OPTION" }));
      refused.toThrow(`"${name}"`);
    }
  });

  it.each(["delay", "misfireGrace", "timeout", "expireAfter"])(
    "of a message, %s, reads as all others",
    async (name) => {
      const task = boost(on(), () => {});
      const due = name === "misfireGrace" ? { delay: 1 } : {};
      for (const value of good) await task.publish([], { ...due, [name]: value });
      for (const value of bad) {
        const refused = expect(task.publish([], { ...due, [name]: value } as PublishOptions), `${value}`).rejects;
        await refused.toMatchObject({ code: "BAD_OPTION", message: expect.stringContaining(`"${name}"`) });
      }
    },
  );

  it("of a call reads as all others", async () => {
    const task = boost(on({ record: true }), async () => {
      await fct.slowDown(asked as never);
      return "ran";
    });
    let asked: unknown = good[0];
    const consumer = await task.consume();
    const handle = await task.push();
    await handle.waitResult(wait);
    const calls: Record<string, (value: never) => Promise<unknown>> = {
      waitResult: (timeout) => handle.waitResult({ timeout }),
      waitRecord: (timeout) => handle.waitRecord({ timeout }),
      "waitIdle, quietFor": (quietFor) => task.waitIdle({ quietFor }),
      "waitIdle, timeout": (timeout) => task.waitIdle({ timeout, quietFor: 0 }),
      records: (since) => task.records({ since }),
      stats: (step) => task.stats({ step }),
      setQps: (per) => task.setQps({ count: 1_000, per }),
      withLock: (ttl) => withLock("time", { ttl, broker: memory() }, async () => {}),
      "withLock, wait": (wait) => withLock("time", { wait, broker: memory() }, async () => {}),
      lockLifetime: async (lockLifetime) => checkAgenda({ queue: "q", options: { lockLifetime }, leaseMs: 1 }),
      stallInterval: async (stallInterval) =>
        checkBee({ queue: "q", options: { queue: { stallInterval } }, leaseMs: 1 }),
    };
    for (const [name, call] of Object.entries(calls)) {
      for (const value of good) await call(value as never);
      for (const value of bad)
        await expect(call(value as never), `${name}: ${value}`).rejects.toHaveProperty("code", "BAD_OPTION");
    }
    for (const value of bad)
      await expect(shutdown({ grace: value as never })).rejects.toHaveProperty("code", "BAD_OPTION");
    for (const value of bad)
      await expect(consumer.close({ grace: value as never })).rejects.toHaveProperty("code", "BAD_OPTION");
    for (const value of bad) expect(() => configure({ lease: value as never })).toThrow();
    asked = "soon";
    await task.setQps(null);
    const refused = await task.publish([], { maxRetries: 0 });
    await expect(refused.waitResult(wait)).rejects.toMatchObject({ cause: { code: "BAD_OPTION" } });
  });

  it.each([
    new Date(Number.NaN),
    new Date(8.64e15),
    1e300,
    -Number.POSITIVE_INFINITY,
    "10000-01-01 00:00:00",
    Number.NaN,
  ])("and a moment, %s, is refused where no clock holds it", async (eta) => {
    const task = boost(on(), () => {});
    await expect(task.publish([], { eta })).rejects.toMatchObject({
      code: "BAD_OPTION",
      message: expect.stringContaining('"eta"'),
    });
  });
});
