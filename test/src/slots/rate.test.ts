/** qps in one process: spacing, late timers, caps. */
import { afterEach, describe, expect, it } from "vitest";
import { setClock } from "../../../src/base/clock.ts";
import type { Limit } from "../../../src/options/qps.ts";
import { createRate } from "../../../src/slots/rate.ts";

let nowMs = 0;
const at = (ms: number) => {
  nowMs = ms;
};

function fakeClock(): void {
  nowMs = 0;
  setClock({ now: () => nowMs, monotonic: () => nowMs, after: () => () => {} });
}

afterEach(() => setClock());

const evenly = (count: number) => createRate([{ count, perMs: 1000, spaced: true }]);
const cap = (count: number, perMs: number): Limit => ({ count, perMs, spaced: false });

describe("caps", () => {
  it("start at once up to the cap, and again when the oldest start is over", () => {
    fakeClock();
    const rate = createRate([cap(3, 1_000)]);
    for (const ms of [0, 100, 200]) {
      at(ms);
      expect(rate.take(1)).toBe(0);
    }
    at(300);
    expect(rate.take(1)).toBe(700);
    at(1_000);
    expect(rate.take(1)).toBe(0);
    expect(rate.take(1)).toBe(100);
  });

  it("hold no more messages than they may start soon", () => {
    fakeClock();
    const rate = createRate([cap(3, 1_000)]);
    expect(rate.ahead()).toBe(3);
    rate.take(1);
    expect(rate.ahead()).toBe(2);
    for (const ms of [100, 200]) {
      at(ms);
      rate.take(1);
    }
    expect(rate.ahead()).toBe(1);
    at(850);
    expect(rate.ahead()).toBe(2);
    at(5_000);
    expect(rate.ahead()).toBe(3);
  });

  it("hold together with a spacing: no sliding time is exceeded", () => {
    fakeClock();
    const rate = createRate([{ count: 5, perMs: 1_000, spaced: true }, cap(20, 10_000), cap(50, 60_000)]);
    const starts: number[] = [];
    for (let t = 0; t <= 120_000; t += 10) {
      at(t);
      if (rate.take(1) === 0) starts.push(t);
    }
    const busiest = (ms: number) =>
      Math.max(...starts.map((from) => starts.filter((each) => each >= from && each < from + ms).length));
    expect([busiest(1_000), busiest(10_000), busiest(60_000)]).toEqual([5, 20, 50]);
    expect(starts.length).toBe(101);
  });
});

describe("a rate", () => {
  it("spaces starts evenly", () => {
    fakeClock();
    const rate = evenly(10);
    expect(rate.take(1)).toBe(0);
    expect(rate.take(1)).toBe(100);
    at(100);
    expect(rate.take(1)).toBe(0);
    expect(rate.take(1)).toBe(100);
  });

  it("does not let a late timer move the later starts", () => {
    fakeClock();
    const rate = evenly(10);
    rate.take(1);
    at(115);
    expect(rate.take(1)).toBe(0);
    expect(rate.take(1)).toBe(85);
  });

  it("gives no burst after an idle time", () => {
    fakeClock();
    const rate = evenly(10);
    rate.take(1);
    at(60_000);
    expect(rate.take(1)).toBe(0);
    expect(rate.take(1)).toBe(100);
  });

  it("holds 1,000/s with timers that fire 5 ms late", () => {
    fakeClock();
    const rate = evenly(1_000);
    let starts = 0;
    for (let t = 0; t <= 10_000; t += 5) {
      at(t);
      while (rate.take(1) === 0) starts++;
    }
    expect(starts).toBeGreaterThanOrEqual(9_990);
    expect(starts).toBeLessThanOrEqual(10_021);
  });

  it("is worth holding a quarter of a second's starts ahead", () => {
    expect([0.5, 5, 100, 1_000].map((qps) => evenly(qps).ahead())).toEqual([1, 2, 25, 250]);
  });
});
