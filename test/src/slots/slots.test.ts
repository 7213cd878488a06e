/** Slots: which delivery may start, who takes the next free slot, what goes back. */
import { describe, expect, it } from "vitest";
import type { Delivery, Settlement } from "../../../src/contract/index.ts";
import { concurrencyPool, type PoolSlots } from "../../../src/options/pool.ts";
import type { RunEnd, Slot } from "../../../src/slots/slot.ts";
import { createSlots } from "../../../src/slots/slots.ts";
import type { SlotsOptions } from "../../../src/slots/state.ts";

interface Started {
  readonly delivery: Delivery;
  readonly slot: Slot;
  end(): void;
}

function setUp(options: Partial<SlotsOptions> = {}) {
  const started: Started[] = [];
  const windows: number[] = [];
  const run = (delivery: Delivery, slot: Slot) =>
    new Promise<RunEnd>((resolve) =>
      started.push({ delivery, slot, end: () => resolve({ settlement: { outcome: "done" } }) }),
    );
  const slots = createSlots({
    limit: 2,
    maxSuspended: 1000,
    lookahead: 0,
    rate: undefined,
    run,
    setWindow: (n) => windows.push(n),
    ...options,
  });
  slots.refreshWindow();
  const settled: Record<string, Settlement> = {};
  const give = (id: string, more: Partial<Delivery> = {}) =>
    slots
      .handle({ id, body: {}, attempt: 1, native: undefined, ...more })
      .then((settlement) => void (settled[id] = settlement));
  const ids = () => started.map(({ delivery }) => delivery.id);
  const find = (id: string) => started.find(({ delivery }) => delivery.id === id) as Started;
  return { slots, give, ids, find, windows, settled };
}

const tick = () => new Promise((resolve) => setImmediate(resolve));

describe("slots", () => {
  it("starts no more than the limit and goes on when a run ends", async () => {
    const { give, ids, find } = setUp();
    for (const id of ["a", "b", "c"]) void give(id);
    expect(ids()).toEqual(["a", "b"]);
    find("a").end();
    await tick();
    expect(ids()).toEqual(["a", "b", "c"]);
  });

  it("gives a suspended run's slot to others, and the next free one back before any new delivery", async () => {
    const { give, ids, find } = setUp({ limit: 1 });
    void give("parent");
    const resume = find("parent").slot.suspend();
    void give("child", { ahead: true });
    void give("other");
    expect(ids()).toEqual(["parent", "child"]);
    let resumed = false;
    const back = resume().then(() => (resumed = true));
    await tick();
    expect(resumed).toBe(false);
    find("child").end();
    await back;
    expect(ids()).toEqual(["parent", "child"]);
    find("parent").end();
    await tick();
    expect(ids()).toEqual(["parent", "child", "other"]);
  });

  it("gives back one slot however many waits are pending in a run", async () => {
    const { give, ids, find } = setUp({ limit: 1 });
    void give("parent");
    const first = find("parent").slot.suspend();
    const second = find("parent").slot.suspend();
    void give("a");
    void give("b");
    expect(ids()).toEqual(["parent", "a"]);
    await first();
    find("a").end();
    await tick();
    expect(ids()).toEqual(["parent", "a", "b"]);
    find("b").end();
    await second();
  });

  it("starts only deliveries marked ahead once maxSuspended are suspended", () => {
    const { give, ids, find } = setUp({ limit: 2, maxSuspended: 1 });
    void give("parent");
    find("parent").slot.suspend();
    void give("stranger");
    void give("child", { ahead: true });
    expect(ids()).toEqual(["parent", "child"]);
  });

  it("postpones what would fill it up with deliveries that may not start", async () => {
    const { give, find, settled } = setUp({ limit: 1, maxSuspended: 1 });
    void give("parent");
    find("parent").slot.suspend();
    void give("held");
    await give("too-many");
    expect(settled["too-many"]).toMatchObject({ outcome: "postponed" });
    expect(settled.held).toBeUndefined();
  });

  it("grows the window by one for each suspended run", async () => {
    const { give, find, windows } = setUp({ limit: 2, lookahead: 3 });
    await tick();
    expect(windows).toEqual([5]);
    void give("a");
    find("a").slot.suspend();
    await tick();
    expect(windows).toEqual([5, 6]);
  });

  it("returns what it holds unstarted when it closes, and starts nothing", async () => {
    const { slots, give, ids, settled, windows } = setUp({ limit: 1 });
    void give("a");
    void give("b");
    slots.setMode("closed");
    await give("c");
    await tick();
    expect(ids()).toEqual(["a"]);
    expect(settled).toEqual({ b: { outcome: "returned" }, c: { outcome: "returned" } });
    expect(windows.at(-1)).toBe(0);
  });

  it("frees once the slot of a run that ends while it still waits, and ignores the wait's end", async () => {
    const { give, ids, find } = setUp({ limit: 1 });
    void give("a");
    const resume = find("a").slot.suspend();
    find("a").end();
    await tick();
    for (const id of ["b", "c", "d"]) void give(id);
    expect(ids()).toEqual(["a", "b"]);
    await resume();
    find("a").slot.suspend();
    expect(ids()).toEqual(["a", "b"]);
    find("b").end();
    await tick();
    expect(ids()).toEqual(["a", "b", "c"]);
  });

  it("frees the slot of a run that throws", async () => {
    const { slots, give, ids } = setUp({ limit: 1, run: () => Promise.reject(new Error("a bug")) });
    await expect(give("a")).rejects.toThrow("a bug");
    expect([ids(), slots.running()]).toEqual([[], 0]);
  });

  it("starts only children while it drains, holds a few others, and returns them when it closes", async () => {
    const { slots, give, ids, find, settled } = setUp({ limit: 1 });
    void give("parent");
    find("parent").slot.suspend();
    slots.setMode("children");
    void give("other");
    void give("child", { ahead: true });
    expect(ids()).toEqual(["parent", "child"]);
    expect(settled.other).toBeUndefined();
    slots.setMode("closed");
    await tick();
    expect(settled.other).toEqual({ outcome: "returned" });
  });

  it("keeps the slot of a timed-out run until its function has returned", async () => {
    let returned = () => {};
    const ids: string[] = [];
    const run = async ({ id }: Delivery): Promise<RunEnd> => {
      ids.push(id);
      return { settlement: { outcome: "done" }, returned: new Promise<void>((resolve) => (returned = resolve)) };
    };
    const { give } = setUp({ limit: 1, run });
    await give("a");
    void give("b");
    await tick();
    expect(ids).toEqual(["a"]);
    returned();
    await tick();
    expect(ids).toEqual(["a", "b"]);
  });
});

describe("a pool", () => {
  it("is one limit over several consumers, each in its turn, and suspended runs give their place back", async () => {
    const pool = concurrencyPool(2) as PoolSlots;
    const one = setUp({ limit: 5, pool });
    const two = setUp({ limit: 5, pool });
    for (const id of ["a", "b", "c"]) void one.give(id);
    void two.give("x");
    expect([one.ids(), two.ids(), pool.used]).toEqual([["a", "b"], [], 2]);
    one.find("a").end();
    await tick();
    expect([one.ids(), two.ids(), pool.used]).toEqual([["a", "b", "c"], [], 2]);
    one.find("b").end();
    await tick();
    expect([two.ids(), pool.used]).toEqual([["x"], 2]);
    const resume = two.find("x").slot.suspend();
    expect(pool.used).toBe(1);
    void one.give("d");
    expect(one.ids()).toContain("d");
    let resumed = false;
    const back = resume().then(() => (resumed = true));
    await tick();
    expect(resumed).toBe(false);
    one.find("c").end();
    await back;
    for (const id of ["d"]) one.find(id).end();
    two.find("x").end();
    await tick();
    expect(pool.used).toBe(0);
  });

  it("keeps the window small while others use it", async () => {
    const pool = concurrencyPool(3) as PoolSlots;
    const one = setUp({ limit: 5, pool });
    const two = setUp({ limit: 5, pool });
    for (const id of ["a", "b", "c"]) void one.give(id);
    two.slots.refreshWindow();
    await tick();
    expect(two.windows.at(-1)).toBe(1);
    expect(() => concurrencyPool(0)).toThrow(/from 1 to 100000, got 0/);
  });
});
