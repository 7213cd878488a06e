/** Durations: what they mean, and what a refusal says. */
import { expect, test } from "vitest";
import { type Duration, durationMs } from "../../../src/base/duration.ts";

test.each<[Duration, number]>([
  [0, 0],
  [1500, 1500],
  ["250ms", 250],
  ["30s", 30_000],
  ["5m", 300_000],
  ["2h", 7_200_000],
  ["1d", 86_400_000],
  ["1.5h", 5_400_000],
  [".5s", 500],
  [" 10 s ", 10_000],
  ["10 s ", 10_000],
  ["1.1m", 66_000],
  ["0s", 0],
  [0.2, 1],
])("%j is %d ms", (value, ms) => {
  expect(durationMs(value, "timeout")).toBe(ms);
});

test.each([
  ["5 minutes"],
  ["5"],
  [""],
  ["-1s"],
  ["1h30m"],
  ["s"],
  ["5M"],
  [-1],
  [Number.NaN],
  [Number.POSITIVE_INFINITY],
  [null],
  [true],
  [{}],
])("%j is refused by name", (value) => {
  expect(() => durationMs(value as never, "timeout")).toThrow(
    /^\[funboost\] "timeout" is .+\. Allowed: milliseconds from 0, or a number with a unit: "250ms", "30s", "5m"/,
  );
});

test("a refusal shows the value", () => {
  expect(() => durationMs("soon" as Duration, "rpc.ttl")).toThrow('"rpc.ttl" is "soon".');
  expect(() => durationMs("soon" as Duration, "rpc.ttl")).toThrow(expect.objectContaining({ code: "BAD_OPTION" }));
});
