/** One rate for several consumers, over a store. */
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { setClock } from "../../../src/base/clock.ts";
import type { Limit } from "../../../src/options/qps.ts";
import { createGlobalRate } from "../../../src/slots/global-rate.ts";
import { handClock } from "../../support/hand-clock.ts";
import { randomFrom } from "../../support/rate-model.ts";

/**
 * Consumers that always have `waiting` deliveries and start what they may; the clock goes on by hand, so that no busy
 * machine can disturb it.
 */
async function run(limits: readonly Limit[], consumers: number, ms: number, waiting = 5) {
  let nowMs = 0;
  setClock({ now: () => nowMs, monotonic: () => nowMs, after: () => () => {} });
  const store = memoryStore();
  const starts: number[] = [];
  const rates = Array.from({ length: consumers }, () =>
    createGlobalRate({ store, key: "k", limits, wake() {}, onError: (error) => expect.unreachable(String(error)) }),
  );
  for (; nowMs < ms; nowMs += 5) {
    for (const rate of rates) while (rate.take(waiting) === 0) starts.push(nowMs);
    await new Promise(setImmediate); // the store's answers
  }
  return starts;
}

/**
 * As `run`, but consumers stall for up to 60 ms, a quarter of the time, and the store's answers come up to 4 ms late,
 * and never in a stall. Each can start so many at once.
 */
async function runStalling(limit: Limit, startable: readonly number[], ms: number, seed = 7) {
  const [random, starts] = [randomFrom(seed), [] as number[]];
  let [nowMs, answers] = [
    0,
    [] as { readonly at: number; readonly to: { readonly stalledUntil: number }; readonly go: () => void }[],
  ];
  setClock({ now: () => nowMs, monotonic: () => nowMs, after: () => () => {} });
  const store = memoryStore();
  const onError = (error: unknown) => expect.unreachable(String(error));
  const consumers = startable.map((count) => {
    const each = { count, stalledUntil: 0 };
    const later = () => new Promise<void>((go) => answers.push({ at: nowMs + 4 * random(), to: each, go }));
    const reserve: typeof store.reserve = (...args) =>
      store.reserve(...args).then((waits) => later().then(() => waits));
    return Object.assign(each, {
      rate: createGlobalRate({ store: { ...store, reserve }, key: "k", limits: [limit], wake() {}, onError }),
    });
  });
  for (; nowMs < ms; nowMs += 2) {
    const isThere = ({ at, to }: (typeof answers)[number]) => at <= nowMs && to.stalledUntil <= nowMs;
    for (const answer of answers) if (isThere(answer)) answer.go();
    answers = answers.filter((answer) => !isThere(answer));
    await new Promise(setImmediate);
    for (const each of consumers) {
      if (random() < 0.02) each.stalledUntil = Math.max(each.stalledUntil, nowMs + 60 * random());
      if (each.stalledUntil <= nowMs) while (each.rate.take(each.count) === 0) starts.push(nowMs);
    }
  }
  return starts;
}

/** Starts of one consumer in 4 s, over a store that takes so long for each answer. */
async function runSlowly(limit: Limit, startable: number, answerMs: number) {
  const starts: number[] = [];
  let [nowMs, answers] = [0, [] as { readonly at: number; readonly go: () => void }[]];
  setClock({ now: () => nowMs, monotonic: () => nowMs, after: () => () => {} });
  const store = memoryStore();
  const half = () => new Promise<void>((go) => answers.push({ at: nowMs + answerMs / 2, go }));
  const slowly =
    <Args extends unknown[], Answer>(call: (...args: Args) => Promise<Answer>) =>
    async (...args: Args) => {
      await half();
      const answer = await call(...args);
      await half();
      return answer;
    };
  const slow = { ...store, reserve: slowly(store.reserve), increment: slowly(store.increment) };
  const rate = createGlobalRate({
    store: slow,
    key: "k",
    limits: [limit],
    wake() {},
    onError: (error) => expect.unreachable(String(error)),
  });
  for (; nowMs < 4_000; nowMs += 2) {
    for (const { at, go } of answers) if (at <= nowMs) go();
    answers = answers.filter(({ at }) => at > nowMs);
    await new Promise(setImmediate);
    while (rate.take(startable) === 0) starts.push(nowMs);
  }
  return starts;
}

const busiest = (starts: readonly number[], ms: number) =>
  Math.max(...starts.map((from) => starts.filter((each) => each >= from && each < from + ms).length));

afterEach(() => setClock());

describe("a global rate", () => {
  it("is one limit however many consume", async () => {
    const starts = await run([{ count: 100, perMs: 1_000, spaced: true }], 6, 3_000);
    expect(starts.length).toBeGreaterThanOrEqual(297);
    expect(starts.length).toBeLessThanOrEqual(302);
    expect(busiest(starts, 1_000)).toBeLessThanOrEqual(103); // above 50 a second the slack of 20 ms is caught up
  });

  it("makes up for starts that were late, and never starts more than one above the limit in any second", async () => {
    for (const [seed, startable] of [[100], [1], [100, 100, 2, 5], [100, 100, 1, 2, 3, 4, 5, 6]].entries()) {
      const starts = await runStalling({ count: 50, perMs: 1_000, spaced: true }, startable, 16_000, seed + 1);
      expect(busiest(starts, 1_000)).toBeLessThanOrEqual(51);
      expect(starts.length).toBeGreaterThanOrEqual(16 * 41);
    }
  });

  it("lets none of its starts be too late to count where they are far apart", async () => {
    const starts = await runStalling({ count: 0.5, perMs: 1_000, spaced: true }, [1, 1, 1], 40_000);
    expect(starts.length).toBeGreaterThanOrEqual(19);
    expect(busiest(starts, 1_900)).toBe(1);
  });

  it("starts over a store that is slow too, and no more than it may", async () => {
    const limits = [
      { count: 50, perMs: 1_000, spaced: true },
      { count: 500, perMs: 1_000, spaced: true },
      { count: 20, perMs: 1_000, spaced: false },
    ];
    for (const limit of limits)
      for (const startable of [1, 5])
        for (const answerMs of [12, 40]) {
          const starts = await runSlowly(limit, startable, answerMs);
          expect(starts.length).toBeGreaterThanOrEqual(limit.spaced ? 3.6 * limit.count : 4 * 10);
          expect(busiest(starts, 1_000)).toBeLessThanOrEqual(limit.spaced ? limit.count * 1.02 + 1 : limit.count);
        }
  });

  it("caps exactly over any sliding time, with a spacing beside it", async () => {
    const cap = { count: 40, perMs: 500, spaced: false };
    const capped = await run([cap], 3, 3_000, 3);
    expect(busiest(capped, 500)).toBeLessThanOrEqual(40);
    expect(capped.length).toBeGreaterThanOrEqual(40 * 5);
    const both = await run([{ count: 100, perMs: 1_000, spaced: true }, cap], 3, 3_000, 3);
    expect(busiest(both, 500)).toBeLessThanOrEqual(40);
    expect(busiest(both, 100)).toBeLessThanOrEqual(13);
  });

  it("after a change starts by the new limit, not by what the old one had reserved", async () => {
    const store = memoryStore();
    const make = (limits: readonly Limit[]) =>
      createGlobalRate({ store, key: "k", limits, wake() {}, onError: (error) => expect.unreachable(String(error)) });
    const slow = make([{ count: 0.01, perMs: 1_000, spaced: true }]);
    const once = make([{ count: 1, perMs: 86_400_000, spaced: false }]);
    for (const rate of [slow, once]) {
      rate.take(2);
      await expect.poll(() => rate.take(2), { interval: 2 }).toBe(0);
    }
    for (const limit of [
      { count: 80, perMs: 1_000, spaced: true },
      { count: 50, perMs: 60_000, spaced: false },
    ]) {
      const rate = make([limit]);
      rate.take(1);
      await expect.poll(() => rate.take(1), { interval: 2 }).toBe(0);
    }
  });

  it("does not reserve a cap's future for one process, nor hold messages for it", async () => {
    let nowMs = 0;
    setClock({ now: () => nowMs, monotonic: () => nowMs, after: () => () => {} });
    const store = memoryStore();
    const make = () =>
      createGlobalRate({
        store,
        key: "k",
        limits: [{ count: 10, perMs: 1_000, spaced: false }],
        wake() {},
        onError: (error) => expect.unreachable(String(error)),
      });
    const [dies, lives] = [make(), make()];
    let started = 0;
    for (let i = 0; i < 50; i++, await new Promise(setImmediate)) while (dies.take(100) === 0) started++;
    expect(started).toBe(10);
    expect(dies.ahead()).toBeLessThanOrEqual(2);
    let starts = 0;
    for (; nowMs < 1_100; nowMs += 5, await new Promise(setImmediate)) while (lives.take(100) === 0) starts++;
    expect(starts).toBeGreaterThanOrEqual(9);
  });

  it("starts nothing while the store fails, says so, and goes on by itself", async () => {
    const store = memoryStore();
    let down = true;
    const failing = {
      ...store,
      reserve: (...args: Parameters<typeof store.reserve>) =>
        down ? Promise.reject(new Error("down")) : store.reserve(...args),
    };
    const errors: unknown[] = [];
    let wakes = 0;
    const rate = createGlobalRate({
      store: failing,
      key: "k",
      limits: [{ count: 100, perMs: 1_000, spaced: true }],
      wake: () => wakes++,
      onError: (error) => errors.push(error),
    });
    expect(rate.take(1)).toBe(Number.POSITIVE_INFINITY);
    await expect.poll(() => errors.length).toBe(1);
    down = false;
    await expect.poll(() => wakes, { timeout: 2_000 }).toBe(1);
    rate.take(1);
    await expect.poll(() => rate.take(1), { interval: 2 }).toBe(0);
  });

  it("sets no timer over and over for a start that nobody takes", async () => {
    const clock = handClock();
    for (const spaced of [true, false]) {
      let wakes = 0;
      const rate = createGlobalRate({
        store: memoryStore(),
        key: "k",
        limits: [{ count: 10, perMs: 1_000, spaced }],
        wake: () => wakes++,
        onError: (error) => expect.unreachable(String(error)),
      });
      rate.take(5);
      await clock.pass(300);
      const timers = clock.timers();
      await clock.pass(1_000);
      expect(clock.timers() - timers).toBeLessThan(10);
    }
  });

  it("hands back at its end what it has reserved, and asks for nothing later", async () => {
    const clock = handClock();
    const store = memoryStore();
    let calls = 0;
    const counted: typeof store.reserve = (...args) => {
      calls++;
      return store.reserve(...args);
    };
    const make = () =>
      createGlobalRate({
        store: { ...store, reserve: counted },
        key: "k",
        limits: [{ count: 0.1, perMs: 1_000, spaced: true }],
        wake() {},
        onError: (error) => expect.unreachable(String(error)),
      });
    const [ends, goesOn] = [make(), make()];
    ends.take(1);
    await clock.pass(1);
    expect(ends.take(1)).toBe(0); // the first at once, the next one 10 s later
    ends.take(1);
    await clock.pass(9_900);
    ends.take(1);
    await clock.pass(1);
    await ends.end?.();
    const before = calls;
    goesOn.take(1);
    await clock.pass(100);
    expect(goesOn.take(1)).toBe(0);
    const after = calls;
    await clock.pass(30_000);
    expect([after - before, calls - after]).toEqual([1, 0]);
  });
});
