/** Calls that this version of the task does not take: put off, and for how long. */
import { configure, shutdown } from "funboost";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { setClock } from "../../../src/base/clock.ts";
import type { Delivery, Store } from "../../../src/contract/index.ts";
import { createRunner } from "../../../src/run/run.ts";
import type { RunHost } from "../../../src/run/task-run.ts";
import type { OpenTask } from "../../../src/setup/model.ts";
import { handClock } from "../../support/hand-clock.ts";
import { openedOn } from "../../support/opened.ts";

configure({ signals: false, log: false });
afterEach(async () => {
  setClock();
  await shutdown({ grace: 100 });
});

const newer = { _n: 1, more: 2, extra: { order: ["_n", "more"] } };
const host = { cancelled: () => false, tally: { failed: 0 } } as unknown as RunHost;

/** What each of its deliveries ends with. */
function tries(task: OpenTask, change: Partial<Delivery> = {}) {
  const run = createRunner(task, host);
  const delivery: Delivery = { id: "a", body: newer, attempt: 1, publishedAt: 1, native: {}, ...change };
  return async () => (await run(delivery, {} as never)).settlement;
}

describe("a call that does not bind", () => {
  it("is put off for 1 s, twice as long each time, for a minute at most, and is dead after 15 minutes", async () => {
    const clock = handClock();
    const task = await openedOn(memoryStore(), { maxRetries: 0 });
    const next = tries(task);
    const delays: number[] = [];
    let settlement = await next();
    for (; settlement.outcome === "postponed"; settlement = await next()) {
      delays.push(settlement.delayMs / 1_000);
      clock.standStill(settlement.delayMs);
    }
    expect(delays.slice(0, 8)).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
    expect(delays.reduce((all, each) => all + each)).toBe(15 * 60);
    expect(settlement).toMatchObject({ outcome: "failed", error: { code: "BAD_MESSAGE" } });
    const [letter] = (await (await task.deadLetters()).peek?.(2)) ?? [];
    expect(letter?.body).toMatchObject({ _n: 1, more: 2, extra: { reason: expect.stringContaining("2 arguments") } });
  });

  it("counts from the first time, whichever process looked, whatever was lost in between", async () => {
    const clock = handClock();
    const store = memoryStore();
    const [one, two] = [await openedOn(store), await openedOn(store)];
    const same = { ...two, scope: one.scope };
    expect(await tries(one)()).toEqual({ outcome: "postponed", delayMs: 1_000 });
    clock.standStill(899_000);
    expect(await tries(same, { crashes: 1 })()).toEqual({ outcome: "postponed", delayMs: 1_000 });
    clock.standStill(1_000);
    expect(await tries(same)()).toMatchObject({ outcome: "failed" });
    // What is redriven counts anew.
    expect(await tries(same)()).toEqual({ outcome: "postponed", delayMs: 1_000 });
  });

  it("without a store it counts in this process", async () => {
    const clock = handClock();
    const { store: _, ...rest } = await openedOn(memoryStore());
    const next = tries({ ...rest, store: undefined });
    expect(await next()).toEqual({ outcome: "postponed", delayMs: 1_000 });
    clock.standStill(1_000_000);
    expect(await next()).toMatchObject({ outcome: "failed" });
    expect(await next()).toEqual({ outcome: "postponed", delayMs: 1_000 });
  });

  it("a clock that is set back holds nothing for longer", async () => {
    const clock = handClock();
    clock.standStill(7_200_000);
    const next = tries(await openedOn(memoryStore()));
    await next();
    clock.standStill(-3_600_000);
    expect(await next()).toEqual({ outcome: "postponed", delayMs: 1_000 });
    clock.standStill(900_000);
    expect(await next()).toMatchObject({ outcome: "failed" });
  });

  it("is timed by the store: the clock of a process that is ahead by a quarter of an hour ends nothing", async () => {
    const clock = handClock();
    const task = await openedOn({ ...memoryStore(), now: async () => 1_000_000 });
    expect(await tries(task)()).toEqual({ outcome: "postponed", delayMs: 1_000 });
    clock.standStill(1_000_000);
    expect(await tries(task)()).toEqual({ outcome: "postponed", delayMs: 1_000 });
  });

  it("is tried again while the dead letters cannot be written, and while the store is away nothing is decided", async () => {
    const clock = handClock();
    const inner = memoryStore();
    let away = true;
    const store: Store = {
      ...inner,
      set: async (entries) => (away ? Promise.reject(new Error("away")) : inner.set(entries)),
    };
    const task = await openedOn(store);
    const first = tries(task)();
    await clock.pass(300);
    away = false;
    await clock.pass(10_000);
    expect(await first).toMatchObject({ outcome: "postponed" });
    clock.standStill(900_000);
    const full = { ...task, deadLetters: () => Promise.reject(new Error("full")) };
    expect(await tries(full)()).toEqual({ outcome: "postponed", delayMs: 1_000 });
    expect(await tries(task)()).toMatchObject({ outcome: "failed" });
  });
});
