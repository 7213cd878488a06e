import { afterEach, describe, expect, it } from "vitest";
import { setClock } from "../../src/clock.ts";
import { createRate } from "../../src/controls/rate.ts";

let nowMs = 0;
const at = (ms: number) => {
  nowMs = ms;
};

function fakeClock(): void {
  nowMs = 0;
  setClock({ now: () => nowMs, monotonic: () => nowMs, after: () => () => {} });
}

afterEach(() => setClock());

describe("a rate", () => {
  it("spaces starts evenly", () => {
    fakeClock();
    const rate = createRate(10);
    expect(rate.take()).toBe(0);
    expect(rate.take()).toBe(100);
    at(100);
    expect(rate.take()).toBe(0);
    expect(rate.take()).toBe(100);
  });

  it("does not let a late timer move the later starts", () => {
    fakeClock();
    const rate = createRate(10);
    rate.take();
    at(115);
    expect(rate.take()).toBe(0);
    expect(rate.take()).toBe(85);
  });

  it("gives no burst after an idle time", () => {
    fakeClock();
    const rate = createRate(10);
    rate.take();
    at(60_000);
    expect(rate.take()).toBe(0);
    expect(rate.take()).toBe(100);
  });

  it("holds 1,000/s with timers that fire 5 ms late", () => {
    fakeClock();
    const rate = createRate(1_000);
    let starts = 0;
    for (let t = 0; t <= 10_000; t += 5) {
      at(t);
      while (rate.take() === 0) starts++;
    }
    expect(starts).toBeGreaterThanOrEqual(9_990);
    expect(starts).toBeLessThanOrEqual(10_021);
  });

  it("is worth holding a quarter of a second's starts ahead", () => {
    expect([0.5, 5, 100, 1_000].map((qps) => createRate(qps).ahead())).toEqual([1, 2, 25, 250]);
  });
});
