/** Rows of starts, by hand: until when they say that something runs. */
import { boost, configure, FatalError, fct, shutdown, type Task } from "funboost";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { setClock } from "../../../src/base/clock.ts";
import type { Store } from "../../../src/contract/index.ts";
import { queryRecords } from "../../../src/results/query-records.ts";
import { recordStart } from "../../../src/results/recorder.ts";
import { createRunLease, endedLeases } from "../../../src/results/run-lease.ts";
import { handClock } from "../../support/hand-clock.ts";
import { onStore } from "../../support/on-store.ts";
import { openedOn } from "../../support/opened.ts";

configure({ signals: false, log: false });
afterEach(async () => {
  setClock();
  await shutdown({ grace: 100 });
});

function noting(store: Store) {
  const notes: string[] = [];
  const set: Store["set"] = (entries) => {
    notes.push(...entries.map(({ key }) => key.split(":")[0] ?? ""));
    return store.set(entries);
  };
  return { store: { ...store, set }, notes };
}

describe("the lease of the rows of starts", () => {
  it("is renewed while something runs, ends when its process stands still, and holds again when it goes on", async () => {
    const hands = handClock();
    const { store, notes } = noting(memoryStore());
    const task = await openedOn(store);
    const { leaseMs, scope } = task;
    const lease = createRunLease(task, store);
    const isOver = async () => (await endedLeases(store, scope, [lease.id, lease.id])).has(lease.id);
    expect(await isOver()).toBe(true);
    await lease.hold();
    await lease.hold();
    expect([notes, await isOver()]).toEqual([["runs"], false]);
    lease.begin();
    lease.begin();
    lease.end();
    await hands.pass(2 * leaseMs);
    expect(await isOver()).toBe(false);
    expect(notes.length).toBeLessThanOrEqual(9);
    hands.standStill(leaseMs);
    expect(await isOver()).toBe(true);
    await hands.pass(leaseMs / 2);
    expect(await isOver()).toBe(false);
    lease.end();
    await hands.pass(leaseMs / 2);
    const { length } = notes;
    await hands.pass(2 * leaseMs);
    expect([notes.length - length, await isOver()]).toEqual([0, true]);
    await lease.hold();
    lease.begin();
    await hands.pass(2 * leaseMs);
    expect(await isOver()).toBe(false);
  });

  it("is asked for once, and not at all where nothing runs", async () => {
    const asked: number[] = [];
    const store = memoryStore();
    const get: Store["get"] = (keys) => {
      asked.push(keys.length);
      return store.get(keys);
    };
    await endedLeases({ ...store, get }, "q", []);
    await endedLeases({ ...store, get }, "q", ["a", "b", "a"]);
    expect(asked).toEqual([2]);
  });
});

const stands = async (task: Pick<Task<() => unknown>, "records">) => (await task.records()).map(({ status }) => status);

/** Forgets all leases, as the store does when they are over. */
function dying(store: Store) {
  const keys = new Set<string>();
  const set: Store["set"] = (entries) => {
    for (const { key } of entries) if (key.startsWith("runs:")) keys.add(key);
    return store.set(entries);
  };
  return { store: { ...store, set }, die: () => store.delete([...keys]) };
}

describe("the row of a start", () => {
  it("is that of a lost run when its lease is over, and that of its end when it ends all the same", async () => {
    const { store, die } = dying(memoryStore());
    let end = () => {};
    const task = boost(
      { ...onStore(store), record: { running: true } },
      () => new Promise<void>((resolve) => (end = resolve)),
    );
    await task.consume();
    const handle = await task.push();
    await expect.poll(() => stands(task)).toEqual(["running"]);
    expect([await handle.record(), await task.records({ status: "lost" })]).toEqual([undefined, []]);
    await die();
    const [lost] = await task.records({ status: "lost" });
    expect(lost).toMatchObject({ id: handle.id, status: "lost", attempts: 1, pid: process.pid });
    expect(lost).not.toHaveProperty("lease");
    expect(lost?.endedAt).toBe(lost?.startedAt);
    expect([await task.records({ status: "running" }), (await handle.record())?.status]).toEqual([[], "lost"]);
    expect(await handle.record()).not.toHaveProperty("lease");
    end();
    await handle.waitResult({ timeout: 5_000 });
    expect([await stands(task), (await handle.record())?.status]).toEqual([["done"], "done"]);
  });

  it("is none while the task waits for its next attempt", async () => {
    const { store, die } = dying(memoryStore());
    const task = boost(
      { ...onStore(store), record: { running: true }, maxRetries: 1, backoff: 700 },
      async (): Promise<void> => {
        if (fct.attempt === 2) throw new FatalError("no more");
        await new Promise((resolve) => setTimeout(resolve, 50));
        throw new Error("again");
      },
    );
    await task.consume();
    const handle = await task.push();
    await expect.poll(() => stands(task)).toEqual(["running"]);
    await expect.poll(() => stands(task)).toEqual([]);
    await die();
    expect([await stands(task), await handle.record()]).toEqual([[], undefined]);
    await expect.poll(() => stands(task), { timeout: 5_000 }).toEqual(["failed"]);
  });

  it("holds no next attempt where the store hangs", async () => {
    const store = memoryStore();
    let hangs = false;
    const set: Store["set"] = (entries) => (hangs ? new Promise<never>(() => {}) : store.set(entries));
    let starts = 0;
    const task = boost({ ...onStore({ ...store, set }), rpc: false, record: { running: true }, maxRetries: 1 }, () => {
      hangs = true;
      if (++starts === 1) throw new Error("again");
    });
    await task.consume();
    await task.push();
    await expect.poll(() => starts, { timeout: 5_000 }).toBe(2);
    hangs = false;
  });

  it("of a run that another has followed stays that of the other", async () => {
    const store = memoryStore();
    const hands = handClock();
    const task = await openedOn(store, { record: { running: true } });
    const delivery = { id: "a", body: "", attempt: 1, publishedAt: 1, native: undefined };
    const first = recordStart(task, delivery, 0, []);
    await hands.pass(task.leaseMs);
    const second = recordStart(task, delivery, task.leaseMs, []);
    await hands.pass(5);
    await first?.(true);
    expect((await queryRecords(task)).map(({ status }) => status)).toEqual(["running"]);
    await second?.(true);
    expect(await queryRecords(task)).toEqual([]);
  });
});
