/** The option `qps`: one limit or several at once. */

import { type Duration, durationMs } from "../base/duration.ts";
import { type Check, checkMembers, durationAboveZero, isRecord, numberIn, refuseOption, whole } from "./checks.ts";

/**
 * A number: runs started per second, evenly spaced. `{ count, per }`: at most so many starts in any such time, as soon
 * as they may.
 */
export type QpsLimit = number | { readonly count: number; readonly per: Duration };

/** Several hold at once: `[3, { count: 100, per: "1m" }, { count: 2000, per: "1d" }]`. */
export type Qps = QpsLimit | readonly QpsLimit[];

/** `spaced`: one start every `perMs / count`. Else at most `count` starts in any `perMs`, as soon as they may. */
export interface Limit {
  readonly count: number;
  readonly perMs: number;
  readonly spaced: boolean;
}

const least = 0.01;
const most = 100_000;
const perSecond = numberIn(least, most);
const capChecks = { count: whole(1, most), per: durationAboveZero };
const allowed = `starts per second from ${least} to ${most}, { count: 100, per: "1m" }, or a list of these`;

export const checkQps: Check = (value, name) => {
  const limits = Array.isArray(value) ? value : [value];
  if (limits.length === 0) refuseOption(name, value, allowed);
  for (const [i, limit] of limits.entries()) checkLimit(limit, Array.isArray(value) ? `${name}[${i}]` : name);
  if (limits.filter((limit) => typeof limit === "number").length > 1)
    refuseOption(name, value, 'one number of starts per second, and caps such as { count: 100, per: "1m" } beside it');
};

function checkLimit(limit: unknown, name: string): void {
  if (typeof limit === "number") return perSecond(limit, name);
  if (!isRecord(limit) || limit.count === undefined || limit.per === undefined) refuseOption(name, limit, allowed);
  checkMembers(limit, capChecks, name);
}

/** Undefined: no limit. */
export function limitsOf(qps: Qps | undefined): readonly Limit[] | undefined {
  if (qps === undefined) return undefined;
  const limits = typeof qps === "number" || !Array.isArray(qps) ? [qps as QpsLimit] : (qps as readonly QpsLimit[]);
  return limits.map((limit) =>
    typeof limit === "number"
      ? { count: limit, perMs: 1000, spaced: true }
      : { count: limit.count, perMs: durationMs(limit.per, "qps.per"), spaced: false },
  );
}
