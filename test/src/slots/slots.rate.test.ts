/** Slots under a rate: which timers they set. */
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { type Clock, setClock } from "../../../src/base/clock.ts";
import { createStartRate } from "../../../src/consume/start-rate.ts";
import type { Settlement } from "../../../src/contract/index.ts";
import { concurrencyPool, type PoolSlots } from "../../../src/options/pool.ts";
import { holdAll } from "../../../src/queue/live-limits.ts";
import type { OpenTask } from "../../../src/setup/model.ts";
import { createRate } from "../../../src/slots/rate.ts";
import type { RunEnd } from "../../../src/slots/slot.ts";
import { createSlots } from "../../../src/slots/slots.ts";
import { handClock } from "../../support/hand-clock.ts";

const slow = () => createRate([{ count: 0.01, perMs: 1_000, spaced: true }]);
const settlement: Settlement = { outcome: "done" };

function setUp() {
  const ids: string[] = [];
  const run = ({ id }: { id: string }) => {
    ids.push(id);
    return new Promise<RunEnd>((resolve) => setTimeout(() => resolve({ settlement }), 2_000).unref());
  };
  const slots = createSlots({ limit: 5, maxSuspended: 10, lookahead: 0, rate: slow(), run, setWindow() {} });
  return { slots, ids, give: (id: string) => void slots.handle({ id, body: {}, attempt: 1, native: undefined }) };
}

afterEach(() => setClock());

describe("slots under a rate", () => {
  it("go by a new one at once, whatever the old one had them wait for", async () => {
    const { slots, give, ids } = setUp();
    for (const id of ["a", "b", "c", "d"]) give(id);
    expect(ids).toEqual(["a"]);
    slots.setRate(createRate([{ count: 50, perMs: 1_000, spaced: true }]));
    await expect.poll(() => ids, { timeout: 500 }).toEqual(["a", "b", "c", "d"]);
  });

  it("leave no timer behind that keeps the process", () => {
    const kept: boolean[] = [];
    const { give } = setUp();
    const after: Clock["after"] = (_ms, _run, options) => {
      kept.push(options?.unref !== true);
      return () => {};
    };
    setClock({ now: Date.now, monotonic: () => performance.now(), after });
    for (const id of ["a", "b"]) give(id);
    expect(kept).toEqual([false]);
  });

  it("start thousands that end at once, in one queue and in two that share a pool", async () => {
    const pool = concurrencyPool(1) as PoolSlots;
    let open = () => {};
    const first = new Promise<RunEnd>((resolve) => (open = () => resolve({ settlement })));
    let runs = 0;
    const run = () => (runs++ === 0 ? first : { settlement });
    const both = [pool, pool].map((each) =>
      createSlots({ limit: 5_000, maxSuspended: 10, lookahead: 0, rate: undefined, pool: each, run, setWindow() {} }),
    );
    const all = both.flatMap(({ handle }) =>
      Array.from({ length: 4_000 }, (_, i) => handle({ id: `${i}`, body: {}, attempt: 1, native: undefined })),
    );
    open();
    await Promise.all(all);
    expect([runs, pool.used]).toEqual([8_000, 0]);
  });
});

describe("a hold", () => {
  it("has one timer however often it is made longer, and ends", async () => {
    const { slots, give, ids } = setUp();
    const clock = handClock();
    let looks = 0;
    const setRate: typeof slots.setRate = (rate) => {
      looks++;
      slots.setRate(rate);
    };
    const pace = createStartRate({ options: {} } as OpenTask, { ...slots, setRate }, () => {});
    for (let i = 0; i < 100; i++) {
      pace.hold(600); // as each look into the store does
      await clock.pass(300);
    }
    expect(looks).toBeLessThan(250);
    give("a");
    expect(ids).toEqual([]);
    await clock.pass(300);
    expect(ids).toEqual(["a"]);
  });

  it("of all processes is not ended by a shorter one", async () => {
    const store = memoryStore();
    const runtime = { options: { qpsScope: "global" }, store, scope: "q" } as OpenTask;
    await holdAll(runtime, 3_600_000);
    await holdAll(runtime, 1_000);
    const [until] = await store.get(["live:hold:q"]);
    expect(Number(until)).toBeGreaterThan(Date.now() + 3_000_000);
    await holdAll(runtime, 7_200_000);
    expect(Number((await store.get(["live:hold:q"]))[0])).toBeGreaterThan(Date.now() + 7_000_000);
  });
});
