/** Suspects and all other work by turns: who runs beside whom, and what becomes of 50 runs of which some kill. */
import { memoryStore } from "funboost/stores/memory";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { setClock, sleep } from "../../../src/base/clock.ts";
import type { Delivery, Settlement } from "../../../src/contract/index.ts";
import { createRate } from "../../../src/slots/rate.ts";
import type { RunEnd, Slot } from "../../../src/slots/slot.ts";
import { createSlots } from "../../../src/slots/slots.ts";
import type { SlotsOptions } from "../../../src/slots/state.ts";
import { createTrialLine } from "../../../src/slots/trial-line.ts";
import { aloneFrom, trialSize } from "../../../src/slots/trials.ts";
import { crashWorld, type World } from "../../support/crash-world.ts";
import { type HandClock, handClock } from "../../support/hand-clock.ts";

let clock: HandClock;
beforeEach(() => void (clock = handClock()));
afterEach(() => setClock());

interface Started {
  readonly slot: Slot;
  end(): Promise<void>;
}

function setUp({ settleMs = 0, ...options }: Partial<SlotsOptions> & { readonly settleMs?: number } = {}) {
  const started = new Map<string, Started>();
  const windows: number[] = [];
  const run = ({ id }: Delivery, slot: Slot) =>
    new Promise<RunEnd>((resolve) => {
      const end = () => {
        resolve({ settlement: { outcome: "done" } });
        return clock.pass(1);
      };
      started.set(id, { slot, end });
    });
  const slots = createSlots({
    limit: 8,
    maxSuspended: 1000,
    lookahead: 0,
    rate: undefined,
    run,
    setWindow: (n) => windows.push(n),
    ...options,
  });
  slots.refreshWindow();
  const settled: Record<string, Settlement["outcome"]> = {};
  const give = (id: string, more: Partial<Delivery> = {}) =>
    void settle({ id, body: {}, attempt: 1, native: undefined, ...more });
  const settle = async (delivery: Delivery) => {
    const { outcome } = await slots.handle(delivery);
    settled[delivery.id] = outcome;
    await (settleMs > 0 ? sleep(settleMs) : undefined);
    slots.settled(delivery);
  };
  const lost = (crashes: number, ...ids: string[]) => ids.forEach((id) => give(id, { crashes }));
  const ids = () => [...started.keys()].join(" ");
  const find = (id: string) => started.get(id) as Started;
  const window = () => windows.at(-1);
  return { slots, give, lost, ids, find, window, settled };
}

describe("trials", () => {
  it("take half as many at each loss, and in the end one", () => {
    expect([2, 3, 4, 5, 6, 7].map((losses) => trialSize(50, losses))).toEqual([25, 12, 6, 3, 1, 1]);
    expect([50, 8, 2, 1].map(aloneFrom)).toEqual([6, 4, 2, 2]);
  });

  it("begin when what runs has ended, and let nothing start meanwhile", async () => {
    const { give, lost, ids, find, settled, window } = setUp();
    give("a");
    lost(2, "s1");
    give("b");
    await clock.pass(300);
    give("c");
    expect(ids()).toBe("a b");
    await find("a").end();
    expect([ids(), settled.c]).toEqual(["a b", "returned"]);
    await find("b").end();
    expect([ids(), window()]).toEqual(["a b s1", 1]);
    give("d");
    await clock.pass(1_000);
    expect([ids(), settled.d]).toEqual(["a b s1", "returned"]);
    await find("s1").end();
    give("e");
    await clock.pass(1);
    expect([ids(), window()]).toEqual(["a b s1 e", 8]);
  });

  it("hold no more than they take, those that were lost least", async () => {
    const { lost, ids, settled, window } = setUp();
    lost(3, "x", "y");
    lost(2, "a", "b", "c", "d", "e");
    await clock.pass(300);
    expect(ids()).toBe("a b c d");
    expect(settled).toEqual({ x: "returned", y: "returned", e: "returned" });
    expect(window()).toBe(4);
  });

  it("begin when the engine has what goes back, after two seconds at the latest", async () => {
    const { lost, ids, settled } = setUp({ settleMs: 1_000 });
    lost(5, "x", "y");
    await clock.pass(300);
    expect([ids(), settled]).toEqual(["", { y: "returned" }]);
    await clock.pass(1_000);
    expect(ids()).toBe("x");
    const slow = setUp({ settleMs: 60_000 });
    slow.lost(5, "x", "y");
    await clock.pass(2_000);
    expect(slow.ids()).toBe("");
    await clock.pass(300);
    expect(slow.ids()).toBe("x");
  });

  it("are as small as the smallest of their members makes them", async () => {
    const { lost, ids } = setUp();
    lost(2, "a");
    lost(3, "x", "y");
    await clock.pass(300);
    expect(ids()).toBe("a x");
  });

  it("say who is alone, and from how many losses on", async () => {
    const { lost, find } = setUp();
    lost(3, "x", "y");
    await clock.pass(300);
    expect(find("x").slot.trial).toEqual({ losses: 3, aloneFrom: undefined });
    await find("x").end();
    await find("y").end();
    lost(5, "z");
    await clock.pass(300);
    expect(find("z").slot.trial).toEqual({ losses: 5, aloneFrom: 4 });
  });

  it("take turns with others, which get as much time as the last one took", async () => {
    const { give, lost, ids, find } = setUp({ limit: 1 });
    lost(2, "s1");
    await clock.pass(300);
    await clock.pass(2_000);
    await find("s1").end();
    give("a");
    lost(2, "s2");
    await find("a").end();
    give("b");
    await clock.pass(1_900);
    await find("b").end();
    expect(ids()).toBe("s1 a b s2"); // nothing else was there
    await find("s2").end();
    lost(2, "s3");
    give("c");
    await clock.pass(500);
    give("d");
    expect(ids()).toBe("s1 a b s2 c");
    await find("c").end();
    expect(ids()).toBe("s1 a b s2 c s3");
  });

  it("put away what is more than may run at once", async () => {
    const { lost, settled } = setUp({ limit: 2 });
    lost(2, "a", "b", "c");
    await clock.pass(1);
    expect(settled).toEqual({ c: "postponed" });
  });

  it("ask who was lost while it ran: others are no suspects", async () => {
    const { lost, ids } = setUp({ lossesOf: async ({ id }) => (id === "s" ? 2 : 1) });
    lost(5, "a", "s", "b");
    await clock.pass(1);
    expect(ids()).toBe("a b");
  });

  it("are over when all their members wait for others, who go on in a turn of theirs", async () => {
    const { give, lost, ids, find } = setUp();
    lost(2, "s1");
    await clock.pass(300);
    const resume = find("s1").slot.suspend();
    give("child", { ahead: true });
    expect(ids()).toBe("s1 child");
    let back = false;
    void resume().then(() => (back = true));
    await clock.pass(500);
    expect(back).toBe(false);
    await find("child").end();
    expect(back).toBe(true);
    give("a");
    await clock.pass(1_000);
    expect(ids()).toBe("s1 child");
  });

  it("do not wait for runs that wait themselves, and hold up what goes on for ten seconds at most", async () => {
    const { give, lost, ids, find } = setUp();
    give("parent");
    const resume = find("parent").slot.suspend();
    lost(2, "s1");
    await clock.pass(300);
    expect(ids()).toBe("parent s1");
    let back = false;
    void resume().then(() => (back = true));
    await clock.pass(9_000);
    expect(back).toBe(false);
    await clock.pass(1_100);
    expect(back).toBe(true);
  });

  it("start no faster than the rate", async () => {
    const rate = createRate([{ count: 1, perMs: 1_000, spaced: true }]);
    const { lost, ids, settled } = setUp({ rate });
    lost(2, "a", "b");
    lost(3, "x");
    await clock.pass(300);
    expect(ids()).toBe("a");
    await clock.pass(1_100);
    expect([ids(), settled]).toEqual(["a b", { x: "returned" }]);
  });

  it("of two queues of a process are never on at once, and hold up nothing else there", async () => {
    const trialLine = createTrialLine();
    const one = setUp({ trialLine });
    const two = setUp({ trialLine });
    one.lost(2, "s1");
    two.lost(2, "s2");
    await clock.pass(300);
    two.give("a");
    expect([one.ids(), two.ids()]).toEqual(["s1", "a"]);
    await two.find("a").end();
    await one.find("s1").end();
    expect(two.ids()).toBe("a s2");
    one.lost(2, "s3");
    await clock.pass(300);
    two.slots.leave();
    expect(one.ids()).toBe("s1 s3");
  });

  it("that a rate keeps from starting hold up those of another queue for ten seconds at most", async () => {
    const trialLine = createTrialLine();
    const rate = createRate([{ count: 1, perMs: 60_000, spaced: true }]);
    const one = setUp({ trialLine, rate, limit: 2 });
    const two = setUp({ trialLine });
    one.give("a");
    await one.find("a").end();
    one.lost(2, "s1");
    await clock.pass(300);
    two.lost(2, "s2");
    await clock.pass(10_000);
    expect([one.ids(), two.ids()]).toEqual(["a", "s2"]);
    await two.find("s2").end();
    await clock.pass(60_000);
    expect(one.ids()).toBe("a s1");
  });

  it("return what has not started when it closes", async () => {
    const { slots, give, lost, ids, find, settled } = setUp({ limit: 1 });
    give("a");
    lost(2, "s1");
    slots.setMode("closed");
    await clock.pass(1);
    expect(settled).toEqual({ s1: "returned" });
    await find("a").end();
    slots.setMode("open");
    give("b");
    expect(ids()).toBe("a b");
  });

  it("take a child of what waits, however many suspects are here that may not start", async () => {
    const { give, lost, ids, find, settled } = setUp({ limit: 2, maxSuspended: 2 });
    for (const id of ["a", "b"]) {
      lost(2, id);
      await clock.pass(300);
      find(id).slot.suspend();
    }
    lost(2, "c", "d");
    give("child", { crashes: 2, ahead: true });
    await clock.pass(1_000);
    expect([ids(), settled.child]).toEqual(["a b child", undefined]);
  });

  it("look for no place over and over for a run that has waited too long for its turn", async () => {
    const { give, lost, ids, find } = setUp({ limit: 1 });
    lost(2, "s");
    await clock.pass(300);
    const goOn = find("s").slot.suspend();
    give("long");
    await clock.pass(1);
    expect(ids()).toBe("s long");
    void goOn();
    await clock.pass(10_001);
    const timers = clock.timers();
    await clock.pass(1_000);
    expect(clock.timers() - timers).toBeLessThan(10);
  });
});

const runMs = 5_000;
const world = { concurrency: 50, leaseMs: 10_000, restartMs: 300 };
const stores = [
  ["with a store", memoryStore],
  ["without a store", () => undefined],
] as const;

interface Figures {
  readonly dead: readonly string[];
  readonly kills: number;
  /** When the last neighbour was done. */
  readonly neighboursMs: number;
  /** The longest time without a start of fresh work. */
  readonly gapMs: number;
}

/** 50 runs of which some kill, and fresh work twice a second. */
async function poisoned(
  { publish, start, starts, done, dead, kills }: World,
  {
    killers,
    killsAfterMs,
    freshMs,
    first = 25,
  }: { killers: number; killsAfterMs: number; freshMs: number; first?: number },
): Promise<Figures> {
  for (let i = 0; i < 50; i++)
    publish(
      i >= first && i < first + killers ? { name: `killer ${i}`, killsAfterMs } : { name: `old ${i}`, ms: runMs },
    );
  start();
  const ended = () => dead.size + [...done.keys()].filter((name) => name.startsWith("old")).length;
  for (let i = 0; ended() < 50 && i < 2_000; i++) {
    publish({ name: `fresh ${i}`, ms: freshMs });
    await clock.pass(500);
  }
  const fresh = starts.filter(({ name }) => name.startsWith("fresh")).map(({ at }) => at);
  const old = [...done].flatMap(([name, at]) => (name.startsWith("old") ? [at] : []));
  return {
    dead: [...dead.keys()],
    kills: kills.length,
    neighboursMs: Math.max(...old),
    gapMs: Math.max(...fresh.map((at, i) => at - (fresh[i - 1] ?? 0))),
  };
}

describe.each(stores)("50 runs of 5 s %s", (_, store) => {
  // The time until its neighbours were done when each suspect ran alone.
  it.each([
    { killers: 1, killsAfterMs: 0, freshMs: 1_000, aloneMs: 257_533 },
    { killers: 1, killsAfterMs: 2_500, freshMs: 5_000, aloneMs: 263_525 },
    { killers: 1, killsAfterMs: 5_000, freshMs: 5_000, aloneMs: 306_030 },
    { killers: 3, killsAfterMs: 0, freshMs: 5_000, aloneMs: 214_543 },
    { killers: 3, killsAfterMs: 2_500, freshMs: 1_000, aloneMs: 302_539 },
  ])("of which $killers kill after $killsAfterMs ms, beside fresh runs of $freshMs ms", async ({ aloneMs, ...how }) => {
    const { dead, kills, neighboursMs, gapMs } = await poisoned(crashWorld({ ...world, store: store() }), how);
    expect(dead.map((name) => name.split(" ")[0])).toEqual(Array(how.killers).fill("killer"));
    expect(kills).toBeLessThanOrEqual(11 * how.killers);
    expect(gapMs).toBeLessThanOrEqual(2 * runMs + world.restartMs + 10);
    expect(neighboursMs).toBeLessThanOrEqual(0.7 * aloneMs);
  });

  it("no innocent dies of what its process still held of it when it was killed", async () => {
    const how = { killers: 1, killsAfterMs: 0, freshMs: 10, first: 0 };
    const { dead } = await poisoned(crashWorld({ ...world, store: store(), settleMs: 100 }), how);
    expect(dead).toEqual(["killer 0"]);
  });

  it("15 parents that wait 6 s each are killed twice: fresh messages start within a second", async () => {
    const { publish, start, kill, starts, done } = crashWorld({ ...world, store: store() });
    for (let i = 0; i < 15; i++) publish({ name: `parent ${i}`, ms: 10, waitsMs: 6_000 });
    start();
    await clock.pass(1_000);
    kill();
    await clock.pass(world.leaseMs + 3_000);
    kill();
    await clock.pass(world.leaseMs - 100);
    for (let i = 0; i < 40; i++) {
      publish({ name: `fresh ${i}`, ms: 100 });
      await clock.pass(500);
    }
    const fresh = starts.filter(({ name }) => name.startsWith("fresh"));
    expect(fresh).toHaveLength(40);
    expect(Math.max(...fresh.map(({ waitedMs }) => waitedMs))).toBeLessThan(1_000);
    expect(done.size).toBe(55);
  });
});
