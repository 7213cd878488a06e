/** One rate for several consumers, over a store. */
import { memoryStore } from "funboost/stores/memory";
import { describe, expect, it } from "vitest";
import { clock, sleep } from "../../src/clock.ts";
import { createGlobalRate } from "../../src/controls/global-rate.ts";
import type { Limit } from "../../src/controls/rate.ts";

/** Consumers that always have `waiting` deliveries, and start what they may. */
async function run(limits: readonly Limit[], consumers: number, ms: number, waiting = 5) {
  const store = memoryStore();
  const starts: number[] = [];
  const ends = clock.monotonic() + ms;
  const errors: unknown[] = [];
  const one = async () => {
    let wake = () => {};
    const rate = createGlobalRate({ store, key: "k", limits, wake: () => wake(), onError: (error) => errors.push(error) });
    while (clock.monotonic() < ends) {
      const waitMs = rate.take(waiting);
      if (waitMs === 0) starts.push(clock.monotonic());
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
          void sleep(Math.min(waitMs, 100)).then(resolve);
        });
    }
  };
  await Promise.all(Array.from({ length: consumers }, one));
  return { starts: starts.sort((a, b) => a - b), errors };
}

const busiest = (starts: readonly number[], ms: number) => Math.max(...starts.map((from) => starts.filter((each) => each >= from && each < from + ms).length));

describe.concurrent("a global rate", () => {
  it("is one limit however many consume", async () => {
    const { starts, errors } = await run([{ count: 100, perMs: 1_000, spaced: true }], 6, 2_000);
    expect(errors).toEqual([]);
    expect(starts.length).toBeGreaterThanOrEqual(185);
    expect(starts.length).toBeLessThanOrEqual(203);
    expect(busiest(starts, 1_000)).toBeLessThanOrEqual(103);
  });

  it("caps exactly over any sliding time", async () => {
    const { starts } = await run([{ count: 40, perMs: 500, spaced: false }], 3, 1_900, 3);
    expect(busiest(starts, 500)).toBeLessThanOrEqual(40);
    expect(starts.length).toBeGreaterThanOrEqual(140);
  });

  it("starts nothing while the store fails, says so, and goes on by itself", async () => {
    const store = memoryStore();
    let down = true;
    const failing = { ...store, reserve: (...args: Parameters<typeof store.reserve>) => (down ? Promise.reject(new Error("down")) : store.reserve(...args)) };
    const errors: unknown[] = [];
    let wakes = 0;
    const rate = createGlobalRate({
      store: failing,
      key: "k",
      limits: [{ count: 100, perMs: 1_000, spaced: true }],
      wake: () => wakes++,
      onError: (error) => errors.push(error),
    });
    expect(rate.take(1)).toBe(Number.POSITIVE_INFINITY);
    await expect.poll(() => errors.length).toBe(1);
    down = false;
    await expect.poll(() => wakes, { timeout: 2_000 }).toBe(1);
    rate.take(1);
    await expect.poll(() => rate.take(1), { interval: 2 }).toBe(0);
  });
});
