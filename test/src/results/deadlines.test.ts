/** Until when many wait: one timer, however many they are. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { setClock } from "../../../src/base/clock.ts";
import { createDeadlines, type Waiter } from "../../../src/results/deadlines.ts";
import { type HandClock, handClock } from "../../support/hand-clock.ts";

let clock: HandClock;
beforeEach(() => (clock = handClock()));
afterEach(() => setClock());

function waiters() {
  const late: number[] = [];
  const all = createDeadlines();
  const add = (timeoutMs: number) => {
    const waiter: Waiter = { timeoutMs, until: 0, late: () => void late.push(timeoutMs) };
    all.add(waiter);
    return waiter;
  };
  return { late, add, all };
}

describe("the deadlines of all waits", () => {
  it("are one timer for 10,000 that wait equally long", async () => {
    const { late, add, all } = waiters();
    const many = Array.from({ length: 10_000 }, () => add(50));
    expect(clock.timers()).toBe(1);
    for (const each of many.slice(1)) all.delete(each);
    await clock.pass(100);
    expect([late, clock.timers()]).toEqual([[50], 1]);
  });
  it("come each in its time, the nearer before the further", async () => {
    const { late, add } = waiters();
    for (const ms of [30, 10, 20, 10]) add(ms);
    await clock.pass(5);
    add(10);
    await clock.pass(4);
    expect(late).toEqual([]);
    await clock.pass(1);
    expect(late).toEqual([10, 10]);
    await clock.pass(5);
    expect(late).toEqual([10, 10, 10]);
    await clock.pass(15);
    expect(late).toEqual([10, 10, 10, 20, 30]);
  });
  it("never come for what has ended, and hold no timer for nobody", async () => {
    const { late, add, all } = waiters();
    const [first, second] = [add(10), add(20)];
    all.delete(first as Waiter);
    all.delete(first as Waiter);
    all.delete(second as Waiter);
    const set = clock.timers();
    await clock.pass(50);
    expect([late, clock.timers()]).toEqual([[], set]);
    add(10);
    await clock.pass(10);
    expect(late).toEqual([10]);
  });
  it("may end others, and begin new ones", async () => {
    const { late, add, all } = waiters();
    const other = add(10);
    all.delete(other);
    all.add({
      timeoutMs: 10,
      until: 0,
      late() {
        all.delete(other);
        add(10);
      },
    });
    all.add(other);
    await clock.pass(15);
    expect(late).toEqual([]);
    await clock.pass(10);
    expect(late).toEqual([10]);
  });
});
