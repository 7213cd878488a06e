/** Leases: one at a time, trusted by the clock and not longer than the store keeps them, never taken up again. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { configure, withLock } from "funboost";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { setClock, sleep } from "../../../src/base/clock.ts";
import { deadline } from "../../../src/base/deadline.ts";
import type { Store } from "../../../src/contract/index.ts";
import { takeLease } from "../../../src/store/lease.ts";
import { gate } from "../../conformance/until.ts";
import { handClock } from "../../support/hand-clock.ts";

type Asked = Parameters<Store["lease"]>;

let lock: (call: Store["lease"], asked: Asked) => ReturnType<Store["lease"]> = (call, asked) => call(...asked);
const lockStore = memoryStore();
configure({
  signals: false,
  log: { level: "silent" },
  store: { ...lockStore, lease: (...asked) => lock(lockStore.lease, asked) },
});

const stops: (() => unknown)[] = [];
afterEach(async () => {
  setClock();
  lock = (call, asked) => call(...asked);
  for (const stop of stops.splice(0)) await stop();
});

const options = (name = "duty") => ({ name, ttlMs: 1_000, what: `"${name}"` });

async function take(store: Store, name?: string) {
  const lease = await takeLease(store, options(name));
  if (!lease) throw new Error("it is held by another");
  stops.push(() => void lease.release());
  return lease;
}

/** A store whose lease calls are seen, and may be answered otherwise. */
function watched(
  answer: (call: Store["lease"], asked: Asked) => ReturnType<Store["lease"]> = (call, asked) => call(...asked),
) {
  const inner = memoryStore();
  const asked: Asked[] = [];
  const lease: Store["lease"] = (...each) => {
    asked.push(each);
    return answer(inner.lease, each);
  };
  return { store: { ...inner, lease } satisfies Store, inner, asked };
}

function heard(): string[] {
  const told: string[] = [];
  for (const name of ["acquired", "lost"]) {
    const on = (message: unknown) => {
      const { owner, fence, name: lease } = message as { name: string; owner: string; fence: number };
      expect([typeof owner, typeof fence]).toEqual(["string", "number"]);
      told.push(`${name} ${lease}`);
    };
    subscribe(`funboost:lease:${name}`, on);
    stops.push(() => unsubscribe(`funboost:lease:${name}`, on));
  }
  return told;
}

describe("a lease", () => {
  it("is one holder's at a time, and free after its release", async () => {
    handClock();
    const { store } = watched();
    const told = heard();
    const first = await take(store);
    expect([first.isOurs(), await takeLease(store, options())]).toEqual([true, undefined]);
    await first.release();
    expect((await take(store)).fence).toBeGreaterThan(first.fence);
    expect([first.isOurs(), first.lost.aborted]).toEqual([false, false]);
    expect(told).toEqual(["acquired duty", "acquired duty"]);
  });

  it("has an owner of its own each time, that names the process", async () => {
    handClock();
    const { store, asked } = watched();
    await (await take(store)).release();
    await take(store);
    const owners = asked.map(([, owner]) => owner);
    expect(new Set(owners).size).toBe(owners.length);
    for (const owner of owners) expect(owner).toMatch(new RegExp(`^${process.pid}-`));
  });

  it("is renewed at least twice in its ttl, for as long as the store answers", async () => {
    const { pass } = handClock();
    const { store, asked } = watched();
    const lease = await take(store);
    await pass(20_000);
    expect(lease.isOurs()).toBe(true);
    expect(asked.length).toBeGreaterThan(50);
    expect(asked.slice(1).every(([, , , fence]) => fence === lease.fence)).toBe(true);
  });

  it("is conceded at once when it has another owner, and renewed no more", async () => {
    const { pass } = handClock();
    let stolen = false;
    const { store, asked } = watched((call, each) => (stolen ? Promise.resolve(null) : call(...each)));
    const told = heard();
    const lease = await take(store);
    stolen = true;
    await pass(400);
    expect([lease.isOurs(), lease.lost.aborted]).toEqual([false, true]);
    expect(lease.lost.reason).toMatchObject({ code: "LOCKED" });
    const calls = asked.length;
    stolen = false;
    await pass(5_000);
    expect([asked.length, told]).toEqual([calls, ["acquired duty", "lost duty"]]);
  });

  it.each(["refuses", "hangs"])(
    "is not trusted to its last moment when the store %s, counted from when it was asked",
    async (how) => {
      const { pass } = handClock();
      let down = false;
      const trouble = () => (how === "hangs" ? new Promise<never>(() => {}) : Promise.reject(new Error("down")));
      const { store } = watched((call, each) => (down ? trouble() : call(...each)));
      const lease = await take(store);
      down = true;
      await pass(850);
      expect(lease.isOurs()).toBe(true);
      await pass(100);
      expect([lease.lost.aborted, lease.isOurs()]).toEqual([true, false]);
    },
  );

  it("goes on when the store fails once", async () => {
    const { pass } = handClock();
    let failures = 1;
    const { store } = watched((call, each) =>
      each[3] !== undefined && failures-- > 0 ? Promise.reject(new Error("down")) : call(...each),
    );
    const lease = await take(store);
    await pass(3_000);
    expect([lease.isOurs(), failures < 0]).toEqual([true, true]);
  });

  it("is lost when the process stood still, before any timer says so", async () => {
    const { pass, standStill } = handClock();
    const { store, asked } = watched();
    const lease = await take(store);
    const calls = asked.length;
    standStill(60_000);
    expect([lease.isOurs(), lease.lost.aborted]).toEqual([false, true]);
    await pass(2_000);
    expect(asked.length).toBe(calls);
    await take(store);
  });

  it("is not taken again by a renewal that comes too late", async () => {
    const { pass, standStill } = handClock();
    let wait: Promise<void> | undefined;
    const { store, inner } = watched(async (call, each) => {
      await wait;
      return call(...each);
    });
    const lease = await take(store);
    const late = gate();
    wait = late.opened;
    await pass(400); // a renewal is on its way
    standStill(2_000);
    late.open();
    await pass(1);
    expect(lease.isOurs()).toBe(false);
    expect(await inner.lease("duty", "another", 1_000)).not.toBeNull();
  });

  it("is not taken when the answer comes too late, or not at all", async () => {
    const { standStill } = handClock();
    let lost = false;
    const { store, inner } = watched(async (call, each) => {
      const answer = await call(...each);
      standStill(950);
      if (lost) throw new Error("the answer was lost");
      return answer;
    });
    expect(await takeLease(store, options())).toBeUndefined();
    expect(await inner.lease("duty", "another", 1_000)).not.toBeNull();
    lost = true;
    await expect(takeLease(store, options("two"))).rejects.toThrow("the answer was lost");
    expect(await inner.lease("two", "another", 1_000)).not.toBeNull();
  });
});

describe("withLock over configure({ store })", () => {
  it("says what does not answer, when the store hangs", async () => {
    const { pass } = handClock();
    lock = () => new Promise<never>(() => {});
    const taking = withLock("hangs", {}, () => 1);
    const refused = expect(taking).rejects.toMatchObject({
      code: "BROKER_DOWN",
      message: expect.stringContaining("lease()"),
    });
    await pass(40_000);
    await refused;
  });

  it("ends a wait for a store that hangs with its signal, and gives back what comes too late", async () => {
    const answer = gate();
    lock = async (call, asked) => {
      await answer.opened;
      return call(...asked);
    };
    const aborting = new AbortController();
    const taking = withLock("late", { signal: aborting.signal }, () => "ran");
    const refused = expect(taking).rejects.toThrow("enough");
    await sleep(20);
    aborting.abort(new Error("enough"));
    await refused;
    answer.open();
    await expect.poll(() => lockStore.lease("lock:late", "another", 1_000)).not.toBeNull();
  });
});

describe("a deadline", () => {
  it("takes an answer that came while the process stood still", async () => {
    const { port1, port2 } = new MessageChannel();
    const answer = deadline(once(port2, "message"), 50, "read()", "here");
    port1.postMessage("answer"); // it lies there from now on, and is read after the timers that are due
    for (const end = performance.now() + 200; performance.now() < end; );
    expect(await answer).toHaveLength(1);
    port1.close();
    await expect(deadline(new Promise(() => {}), 50, "never()", "here")).rejects.toMatchObject({ code: "BROKER_DOWN" });
  });
});
