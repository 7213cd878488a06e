/** Slots under a rate: which timers they set. */
import { afterEach, describe, expect, it } from "vitest";
import { type Clock, setClock } from "../../../src/base/clock.ts";
import type { Settlement } from "../../../src/contract/index.ts";
import { concurrencyPool, type PoolSlots } from "../../../src/options/pool.ts";
import { createRate } from "../../../src/slots/rate.ts";
import type { RunEnd } from "../../../src/slots/slot.ts";
import { createSlots } from "../../../src/slots/slots.ts";

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
