/** info() and stats(): rates from the first second, time left, what is kept, and one sample a minute. */
import { boost, configure, FatalError, fct, type QueueInfo, RequeueError, shutdown, type TaskParams } from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { setClock } from "../../../src/base/clock.ts";
import type { Broker, Store } from "../../../src/contract/index.ts";
import { timeLeft } from "../../../src/queue/info.ts";
import { createStatsCounter } from "../../../src/queue/stats-counter.ts";
import { newTally } from "../../../src/queue/tally.ts";
import { openTask } from "../../../src/setup/open.ts";
import { gate } from "../../conformance/until.ts";
import { quickClock } from "../../support/quick-clock.ts";
import { withStore } from "../../support/with-store.ts";

configure({ signals: false, log: false });

const long = { timeout: 10_000 };
const start = Date.UTC(2026, 0, 5, 9, 0, 20);
let aheadMs = 0;
let began = 0;
beforeEach(() => {
  aheadMs = 0;
  began = performance.now();
  const passed = () => performance.now() - began + aheadMs;
  const often = (ms: number) => (ms > 2_000 ? ms : Math.min(ms, 20)); // what is done again and again
  setClock(quickClock(often, { now: () => start + passed(), monotonic: passed }));
});
afterEach(async () => {
  setClock();
  await shutdown({ grace: 100 });
});

let made = 0;

function task(fn: (n: number) => unknown, params: Partial<TaskParams> = {}, broker: Broker = memory()) {
  return boost({ broker, maxRetries: 0, ...params, queue: params.queue ?? `stats.${++made}` }, (n: number) => fn(n));
}

const each = (n: number) => Array.from({ length: n }, (_, i) => [i] as [number]);
const informed = (job: { info(): Promise<QueueInfo> }) => expect.poll(() => job.info(), long);

/** A counter of a task as a consumer in another process has it, driven by hand. */
async function counter(queue: string, broker: Broker) {
  const tally = newTally();
  const { runtime } = await described(queue, broker);
  return { tally, turn: createStatsCounter(runtime, tally) };
}

async function described(queue: string, broker: Broker) {
  const { findDefinition } = await import("../../../src/setup/definition.ts");
  const job = task(() => {}, { queue }, broker);
  const definition = findDefinition(queue, broker);
  if (!definition) throw new Error("not defined");
  return { job, runtime: await openTask(definition) };
}

describe("info()", () => {
  it("counts runs, tasks that failed for good, and runs that were retried", async () => {
    const job = task(
      (n) => {
        if (n === 0) throw new Error("no");
        if (n === 1) throw new FatalError("never");
      },
      { maxRetries: 2, backoff: 0, deadLetter: true },
    );
    await job.consume();
    await job.pushMany(each(4));
    await job.publishRaw("[1, 2, 3]"); // a bad message fails without a run
    await informed(job).toMatchObject({ ran: 6, failed: 3, retried: 2, ready: 0, running: 0, etaMs: 0, live: {} });
    expect((await job.stats()).at(-1)).toMatchObject({ ran: 6, failed: 3, retried: 2, delayed: 0 });
  });

  it("does not count as failed what was cancelled, requeued or too old", async () => {
    let runs = 0;
    const aborted = () =>
      new Promise((_, reject) => fct.signal?.addEventListener("abort", () => reject(fct.signal?.reason)));
    const job = task(
      (n) => {
        if (n === 1 && ++runs === 1) throw new RequeueError();
        return n === 2 ? aborted() : n;
      },
      { expireAfter: 1_000, rpc: true },
    );
    const old = await job.push(0);
    aheadMs += 5_000;
    await job.consume();
    await expect(old.waitResult()).rejects.toMatchObject({ status: "expired" });
    await (await job.push(1)).waitResult();
    const running = await job.push(2);
    await expect.poll(() => running.state()).toBe("running");
    await running.cancel();
    await expect(running.waitResult()).rejects.toMatchObject({ status: "cancelled" });
    await informed(job).toMatchObject({ ran: 3, failed: 0, retried: 0 });
  });

  it("knows rates and time left from the first second, also after a night without work", async () => {
    const broker = memory();
    const { job } = await described("stats.rates", broker);
    const { tally, turn } = await counter("stats.rates", broker);
    for (const nightMs of [0, 12 * 3_600_000]) {
      aheadMs += nightMs;
      await turn();
      for (let second = 0; second < 3; second++) {
        aheadMs += 1_000;
        tally.ran += 100;
        tally.ms += 500;
        await turn();
        const { ranPerMinute } = await job.info();
        expect(ranPerMinute, `${second} s`).toBeGreaterThan(3_500);
        expect(ranPerMinute, `${second} s`).toBeLessThan(6_700);
      }
      await job.pushMany(each(300));
      const { etaMs = 0, meanMs } = await job.info();
      expect([etaMs > 2_500 && etaMs < 5_000, meanMs]).toEqual([true, 5]);
      await job.clear();
    }
    for (let second = 0; second < 200; second++) {
      aheadMs += 1_000;
      tally.ran += 10;
      await turn();
    }
    expect(Math.abs((await job.info()).ranPerMinute - 600)).toBeLessThan(60);
    expect((await job.info()).ran).toBe(2_600);
  });

  it("takes the rate of all processes, when one begins long after the other too", async () => {
    const broker = memory();
    const { job } = await described("stats.two", broker);
    const [first, second] = [await counter("stats.two", broker), await counter("stats.two", broker)];
    for (let i = 0; i < 150; i++) {
      aheadMs += 1_000;
      first.tally.ran += 10;
      if (i > 147) second.tally.ran += 10;
      await first.turn();
      await second.turn();
      if (i > 60) expect(Math.abs((await job.info()).ranPerMinute - 600)).toBeLessThan(90);
    }
  });

  it("knows them after the machine's clock was set back, too", async () => {
    const broker = memory();
    const { job } = await described("stats.back", broker);
    const { tally, turn } = await counter("stats.back", broker);
    const second = async () => {
      aheadMs += 1_000;
      tally.ran += 10;
      await turn();
    };
    for (let i = 0; i < 10; i++) await second();
    aheadMs -= 3_600_000;
    for (let i = 0; i < 10; i++) await second();
    expect((await job.info()).ranPerMinute).toBeLessThan(900);
  });

  it("takes no run for shorter than nothing", async () => {
    const job = task(() => void (aheadMs -= 3_600_000));
    await job.consume();
    await job.push(1);
    await expect.poll(async () => (await job.stats()).reduce((all, { ran }) => all + ran, 0), long).toBe(1);
    expect((await job.info()).meanMs).toBeGreaterThanOrEqual(0);
  });

  it("adds up over what comes and goes, and adds again what a store did not take", async () => {
    const store = memoryStore();
    let down = false;
    const fail = async () => {
      throw new Error("no store");
    };
    const shaky: Store = { ...store, increment: (counters) => (down ? fail() : store.increment(counters)) };
    const broker = withStore(memory(), shaky);
    const { job } = await described("stats.restarts", broker);
    for (let process = 1; process <= 2; process++) {
      const { tally, turn } = await counter("stats.restarts", broker);
      tally.ran = 3;
      tally.failed = 1;
      down = true;
      await expect(turn()).rejects.toThrow("no store");
      down = false;
      await turn();
      await turn();
      expect(await job.info()).toMatchObject({ ran: 3 * process, failed: process });
    }
  });

  it("tells what setQps() and setConcurrency() have set, and takes the limit into account", async () => {
    const door = gate();
    const job = task(() => door.opened, { qps: 50 });
    await job.setQps(0.5);
    await job.setConcurrency(7);
    await job.consume();
    await job.pushMany(each(61));
    await expect.poll(async () => (await job.info()).etaMs, long).toBeGreaterThanOrEqual(59 * 2_000);
    expect((await job.info()).live).toEqual({ qps: 0.5, concurrency: 7 });
    await job.pause();
    expect(await job.info()).toMatchObject({ paused: true, etaMs: undefined });
    door.open();
  });

  it("answers undefined for what an engine cannot count", async () => {
    const bare = memory();
    const uncounted: Broker = {
      ...bare,
      async open(spec) {
        const { count: _, ...queue } = await bare.open(spec);
        return queue;
      },
    };
    const job = task(() => {}, {}, uncounted);
    await job.consume();
    await job.push(1);
    await informed(job).toMatchObject({
      ran: 1,
      ready: undefined,
      delayed: undefined,
      running: undefined,
      etaMs: undefined,
    });
    expect((await job.stats()).at(-1)).toMatchObject({ ran: 1, ready: undefined });
  });
});

describe("time left", () => {
  const limits = (...all: [count: number, perMs: number, spaced: boolean][]) =>
    all.map(([count, perMs, spaced]) => ({ count, perMs, spaced }));
  const pace = {
    total: { ran: 100, ms: 10_000 },
    recent: { ran: 50, retried: 0 },
    spanMs: 10_000,
    paused: false,
    limits: undefined,
  };
  it.each([
    ["nothing is left, though some are delayed", { ready: 0, delayed: 9, running: 0 }, pace, 0],
    ["what runs counts too", { ready: 5, delayed: 9, running: 5 }, pace, 2_000],
    [
      "attempts that are retried bring nothing nearer to its end",
      { ready: 10, delayed: 0 },
      { ...pace, recent: { ran: 50, retried: 25 } },
      4_000,
    ],
    [
      "long runs: none has ended of late",
      { ready: 8, delayed: 0, running: 2 },
      { ...pace, recent: { ran: 0, retried: 0 } },
      500,
    ],
    [
      "nothing has run yet",
      { ready: 8, delayed: 0 },
      { ...pace, total: { ran: 0, ms: 0 }, recent: { ran: 0, retried: 0 } },
      undefined,
    ],
    [
      "a limit that is slower than it was",
      { ready: 10, delayed: 0 },
      { ...pace, limits: limits([1, 1_000, true]) },
      10_000,
    ],
    ["a limit that is faster", { ready: 10, delayed: 0 }, { ...pace, limits: limits([100, 1_000, true]) }, 2_000],
    [
      "a cap that this many do not reach",
      { ready: 10, delayed: 0 },
      { ...pace, limits: limits([100, 86_400_000, false]) },
      2_000,
    ],
    [
      "a cap that they reach",
      { ready: 201, delayed: 0 },
      { ...pace, limits: limits([100, 86_400_000, false]) },
      172_800_000,
    ],
    ["paused", { ready: 1, delayed: 0 }, { ...pace, paused: true }, undefined],
  ])("%s", (_, counts, given, expected) => {
    expect(timeLeft(counts, given)).toBe(expected);
  });
});

describe("stats()", () => {
  it("has one sample a minute, whoever consumes", async () => {
    const broker = memory();
    const { job } = await described("stats.sampled", broker);
    const counters = await Promise.all([1, 2, 3].map(() => counter("stats.sampled", broker)));
    await job.pushMany(each(6));
    for (let i = 0; i < 3; i++) {
      await Promise.all(counters.map(({ turn }) => turn()));
      aheadMs += 60_000;
      await job.push(1);
    }
    const points = (await job.stats()).filter(({ ready }) => ready !== undefined);
    expect(points.map(({ ready, delayed }) => [ready, delayed])).toEqual([
      [6, 0],
      [7, 0],
      [8, 0],
    ]);
    expect((await job.stats({ step: "60m" })).find(({ ready }) => ready !== undefined)?.ready).toBe(8);
  });
});
