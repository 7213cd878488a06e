/** Backoff: the waits, and what a refusal says. */
import { expect, test } from "vitest";
import { type Backoff, backoffMs, parseBackoff, planOf } from "../../../src/options/backoff.ts";

const waits = (value: Backoff | number | undefined, attempts: readonly number[], random = () => 1) =>
  attempts.map((attempt) => backoffMs(planOf(value), attempt, random));

test("the default doubles from 1 s to 1 min, with full jitter", () => {
  expect(parseBackoff(undefined)).toEqual({
    type: "exponential",
    baseMs: 1000,
    factor: 2,
    capMs: 60_000,
    jitter: true,
  });
  expect(waits(undefined, [1, 2, 3, 6, 7, 8])).toEqual([1000, 2000, 4000, 32_000, 60_000, 60_000]);
  expect(waits(undefined, [1, 2, 3], () => 0.5)).toEqual([500, 1000, 2000]);
  expect(waits(undefined, [1, 9], () => 0)).toEqual([0, 0]);
});

test("attempt 10,000 does not overflow", () => {
  for (const value of [undefined, { base: 0 }, { factor: 1000, cap: "1d" }, { factor: 1 }, 5] as const) {
    const [wait] = waits(value, [10_000]);
    expect(wait).toBeGreaterThanOrEqual(0);
    expect(wait).toBeLessThanOrEqual(86_400_000);
  }
});

test("a number is a fixed wait without jitter; 0 is at once", () => {
  expect(waits(250, [1, 2, 50], () => 0.1)).toEqual([250, 250, 250]);
  expect(waits(0, [1, 2])).toEqual([0, 0]);
});

test("fixed waits have jitter only where asked", () => {
  expect(waits({ type: "fixed", base: "5s" }, [1, 2], () => 0.1)).toEqual([5000, 5000]);
  expect(waits({ type: "fixed", base: "5s", jitter: "full" }, [1, 2], () => 0.1)).toEqual([500, 500]);
  expect(waits({ type: "fixed", base: "5m" }, [3])).toEqual([300_000]);
});

test("base, factor, cap and jitter are honoured", () => {
  expect(waits({ base: 100, factor: 3, cap: "1s", jitter: false }, [1, 2, 3, 4], () => 0)).toEqual([
    100, 300, 900, 1000,
  ]);
  expect(waits({ base: 100, jitter: "none" }, [1], () => 0)).toEqual([100]);
  expect(waits({ base: 100, jitter: true }, [1], () => 0.25)).toEqual([25]);
});

test("a base above the default cap lifts it", () => {
  expect(waits({ base: "5m", jitter: false }, [1, 2])).toEqual([300_000, 300_000]);
});

test("a time is the same wait each time", () => {
  expect((["5s", 5_000] as const).map((each) => parseBackoff(each))).toEqual([
    parseBackoff("5000ms"),
    parseBackoff("5000ms"),
  ]);
  expect(parseBackoff("5s")).toMatchObject({ type: "fixed", baseMs: 5_000, jitter: false });
});

test.each<[unknown, string]>([
  [-1, '"backoff" is -1.'],
  ["soon", '"backoff" is "soon".'],
  [true, '"backoff" is true. Allowed: { type:'],
  [null, '"backoff" is null.'],
  [
    { delay: 5 },
    '"backoff" has the unknown member "delay". Allowed: { type: "fixed" | "exponential", base, factor, cap, ' +
      'jitter }, or a time such as 500, "1s" (0: at once), or a function that answers one, or false.',
  ],
  [{ type: "linear" }, '"backoff.type" is "linear". Allowed: "fixed" or "exponential".'],
  [{ base: "soon" }, '"backoff.base" is "soon".'],
  [{ factor: 0.5 }, '"backoff.factor" is 0.5. Allowed: a number from 1 to 1000.'],
  [{ cap: "1s", base: "2s" }, '"backoff.cap" is "1s". Allowed: at least "base", which is 2000 ms.'],
  [{ jitter: "some" }, '"backoff.jitter" is "some". Allowed: "full", "none", true or false.'],
])("%j is refused", (value, message) => {
  expect(() => parseBackoff(value as Backoff)).toThrow(`[funboost] ${message}`);
});
