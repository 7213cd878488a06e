/**
 * Maintenance: one process at a time under a lease of the store, whatever becomes of that process, of its turn or of
 * the store.
 */
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { setClock, sleep } from "../../../src/base/clock.ts";
import { startMaintenance } from "../../../src/consume/maintenance.ts";
import type { Store } from "../../../src/contract/index.ts";
import type { OpenQueue } from "../../../src/setup/model.ts";
import { handClock } from "../../support/hand-clock.ts";

const leaseMs = 200;
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  setClock();
  await Promise.all(stops.splice(0).map((stop) => stop()));
});

interface Turn {
  readonly who: string;
  readonly signal: AbortSignal;
  ended: boolean;
}

/** Processes that consume one queue, as far as its maintenance goes. */
function crowd(turnMs = 500) {
  const turns: Turn[] = [];
  const errors: unknown[] = [];
  let most = 0;
  const join = (who: string, store: Store | undefined) => {
    const maintain = async (signal: AbortSignal) => {
      const turn = { who, signal, ended: false };
      turns.push(turn);
      most = Math.max(most, running().length);
      await sleep(turnMs, { signal });
      turn.ended = true;
    };
    const task = { queue: {}, leaseMs, store, scope: "q" } as OpenQueue;
    const stop = startMaintenance(task, maintain, (error) => errors.push(error));
    stops.push(stop);
    return stop;
  };
  const running = () => turns.filter(({ ended }) => !ended);
  return {
    turns,
    errors,
    join,
    most: () => most,
    count: (who: string) => turns.filter((turn) => turn.who === who).length,
  };
}

const soon = { timeout: 10_000, interval: 5 };

describe("maintenance", () => {
  it("is one process's, also when a turn takes longer than the lease", async () => {
    const { pass } = handClock();
    const store = memoryStore();
    const { turns, join, most, errors } = crowd();
    for (const who of ["a", "b", "c"]) join(who, store);
    await pass(5_000);
    expect(turns.length).toBeGreaterThanOrEqual(5);
    expect([most(), new Set(turns.map(({ who }) => who)).size, errors]).toEqual([1, 1, []]);
  });

  it("passes to another when its process stops, which ends the turn under way and frees the lease", async () => {
    const store = memoryStore();
    const { turns, join, count } = crowd(60_000);
    const stop = join("a", store);
    await expect.poll(() => count("a"), soon).toBe(1);
    await stop();
    expect([turns[0]?.ended, turns[0]?.signal.aborted]).toEqual([true, true]);
    expect(await store.lease("maintain:q", "free", 1)).not.toBeNull();
    join("b", store);
    await expect.poll(() => count("b"), soon).toBe(1);
  });

  it("is told when the lease was lost in the middle of a turn, and stands for it again", async () => {
    const inner = memoryStore();
    let lease = inner.lease;
    const { turns, join, count } = crowd(60_000);
    join("a", { ...inner, lease: (...asked) => lease(...asked) });
    await expect.poll(() => count("a"), soon).toBe(1);
    lease = async () => null;
    await expect.poll(() => turns[0]?.signal.aborted, soon).toBe(true);
    expect(turns[0]?.signal.reason).toMatchObject({
      code: "LOCKED",
      message: expect.stringContaining('maintenance of queue "q"'),
    });
    join("b", inner);
    await expect.poll(() => count("b"), soon).toBe(1);
    lease = inner.lease;
    await sleep(4 * leaseMs);
    expect([count("a"), count("b")]).toEqual([1, 1]);
  });

  it("is conceded while the store does not answer, and goes on afterwards", async () => {
    const inner = memoryStore();
    let down = false;
    const lease: Store["lease"] = (...asked) =>
      down ? Promise.reject(new Error("the store is down")) : inner.lease(...asked);
    const { turns, join, count, errors } = crowd(60_000);
    join("a", { ...inner, lease });
    await expect.poll(() => count("a"), soon).toBe(1);
    down = true;
    await expect.poll(() => turns[0]?.signal.aborted, soon).toBe(true);
    await expect.poll(() => errors.length, soon).toBeGreaterThan(0);
    expect(turns).toHaveLength(1);
    down = false;
    await expect.poll(() => count("a"), soon).toBe(2);
  });

  it("begins no turn after the process stood still, before the lease was taken again", async () => {
    const inner = memoryStore();
    const { join, count } = crowd(1);
    join("a", inner);
    await expect.poll(() => count("a"), soon).toBeGreaterThanOrEqual(1);
    for (const end = performance.now() + 3 * leaseMs; performance.now() < end; ); // all its timers are overdue
    expect(await inner.lease("maintain:q", "another", 60_000)).not.toBeNull();
    const before = count("a");
    await sleep(4 * leaseMs);
    expect(count("a")).toBe(before);
  });

  it("is given up when a turn never ends, and whoever stands for it next begins another", async () => {
    const { pass } = handClock();
    const store = memoryStore();
    const { turns, join, count, errors } = crowd(Number.POSITIVE_INFINITY);
    join("a", store);
    await pass(2 * leaseMs);
    join("b", store);
    await pass(20_000);
    expect([count("a"), count("b"), turns[0]?.signal.aborted]).toEqual([1, 0, false]);
    await pass(12_000);
    expect([turns[0]?.signal.aborted, turns.length, errors.length]).toEqual([true, 2, 1]);
    expect(errors[0]).toMatchObject({ code: "BROKER_DOWN", message: expect.stringContaining("maintain()") });
  });

  it("is every process's where there is no store", async () => {
    const { join, count } = crowd(1);
    for (const who of ["a", "b"]) join(who, undefined);
    await expect.poll(() => [count("a") > 1, count("b") > 1], soon).toEqual([true, true]);
  });
});
