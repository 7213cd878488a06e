/** Durations as users write them, in milliseconds. */
import { describe, FunboostError } from "./errors.ts";

/**
 * Milliseconds, or a number with a unit: "250ms" "30s" "5m" "1.5h" "1d". A text that is known only when the program
 * runs, such as one from the environment, is said to be one, `text as Duration`, and checked where it is used.
 *
 * @example
 * const timeout: Duration = "30s"; // the same as 30_000
 */
export type Duration = number | Text | `${Text} `;

/** A number takes spaces on both of its sides with it. */
type Text = `${number}${"ms" | "s" | "m" | "h" | "d"}`;

/**
 * The last moment that is taken, and the longest time: the end of the year 9999 but for a day, by which clocks may
 * differ. A Date holds more, but texts of times and engines do not.
 */
export const latestMs = Date.UTC(9999, 11, 31);

/** Whether this is a time that texts, engines and dates hold: epoch milliseconds, or how long something takes. */
export function isTimeMs(ms: unknown): ms is number {
  return typeof ms === "number" && ms >= 0 && ms <= latestMs;
}

/** A delay from `nowMs` on that ends at a moment which engines hold; what is no time is none. */
export function heldDelayMs(ms: unknown, nowMs: number): number {
  return typeof ms === "number" && ms > 0 ? Math.min(ms, latestMs - nowMs) : 0;
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const pattern = /^\s*(\d+(?:\.\d+)?|\.\d+)\s*(ms|s|m|h|d)\s*$/;

/** Whole milliseconds of `value`; `name` is the option that a refusal names. More than nothing never becomes 0. */
export function durationMs(value: Duration, name: string): number {
  const ms = typeof value === "string" ? textMs(value) : value;
  if (!isTimeMs(ms)) {
    throw new FunboostError(
      "BAD_OPTION",
      `"${name}" is ${describe(value)}. Allowed: milliseconds from 0, ` +
        'or a number with a unit: "250ms", "30s", "5m", "2h", "1d" (decimals too: "1.5h").',
    );
  }
  return ms > 0 ? Math.max(1, Math.round(ms)) : 0;
}

function textMs(text: string): number {
  const match = pattern.exec(text);
  return match ? Number(match[1]) * (units[match[2] ?? ""] ?? Number.NaN) : Number.NaN;
}
