/** Which control holds a consumer: the order in which they are named, and when a limit counts as one. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { setClock } from "../../../src/base/clock.ts";
import { points } from "../../../src/base/events.ts";
import { createHoldReason } from "../../../src/consume/hold-reason.ts";
import { concurrencyPool, type PoolSlots } from "../../../src/options/pool.ts";
import { type HandClock, handClock } from "../../support/hand-clock.ts";

let clock: HandClock;
const events: unknown[] = [];
const onEvent = (event: unknown) => void events.push(event);
beforeEach(() => {
  clock = handClock();
  points.held.subscribe(onEvent);
});
afterEach(() => {
  points.held.unsubscribe(onEvent);
  events.length = 0;
  setClock();
});

function consumer() {
  const now = {
    blockers: { pausedHere: false, queuePaused: false, storeDown: false, closing: false },
    tally: { ran: 0 },
    running: 0,
    suspended: 0,
    delivered: 0,
    rate: undefined as "slowDown" | "qps" | undefined,
  };
  const pool = concurrencyPool(1) as PoolSlots;
  const holdReason = createHoldReason(
    { queue: "q" },
    {
      blockers: now.blockers,
      pool,
      maxSuspended: 2,
      tally: now.tally,
      running: () => now.running,
      suspended: () => now.suspended,
      delivered: () => now.delivered,
      rateControl: () => now.rate,
    },
  );
  return { now, pool, control: () => holdReason()?.control };
}

describe("what holds a consumer", () => {
  it("is its pause before its store, and nothing when it closes", () => {
    const { now, control } = consumer();
    now.blockers.storeDown = true;
    expect(control()).toBe("store");
    now.blockers.queuePaused = true;
    expect(control()).toBe("paused");
    now.blockers.closing = true;
    expect(control()).toBeUndefined();
  });

  it("is a limit where something waits and nothing has run for a second", async () => {
    const { now, pool, control } = consumer();
    Object.assign(now, { rate: "qps", delivered: 1 });
    expect(control()).toBeUndefined();
    await clock.pass(1_000);
    expect(control()).toBe("qps");
    pool.take();
    expect(control()).toBe("pool");
    now.tally.ran++;
    expect(control()).toBeUndefined();
    await clock.pass(1_000);
    Object.assign(now, { running: 2, suspended: 2, delivered: 3 });
    expect(control()).toBe("maxSuspended");
  });

  it("is told at each change, each minute while it lasts, and when it is over", async () => {
    const { now, control } = consumer();
    now.rate = "slowDown";
    for (let seconds = 0; seconds <= 60; seconds++) {
      control();
      clock.standStill(1_000);
    }
    now.rate = undefined;
    control();
    const fields = { queue: "q", control: "slowDown" };
    expect(events).toEqual([
      { ...fields, heldMs: 0 },
      { ...fields, heldMs: 60_000 },
      { queue: "q", control: undefined, heldMs: 61_000 },
    ]);
  });
});
