/** What one consumer has done since it began. */
import type { Settlement } from "../contract/broker.ts";

/** What one consumer has done since it began. */
export interface Tally {
  /** Runs that ended, however they ended, and the time they took. */
  ran: number;
  ms: number;
  /** Attempts that are followed by another. */
  retried: number;
  /** Tasks that will not run again. */
  failed: number;
}

export const tallyFields = ["ran", "failed", "retried", "ms"] as const satisfies (keyof Tally)[];

export function tallyOf(count: (field: keyof Tally, index: number) => number): Tally {
  return Object.fromEntries(tallyFields.map((field, i) => [field, count(field, i)])) as unknown as Tally;
}

export const newTally = (): Tally => tallyOf(() => 0);

/** What has come since. */
export const newsOf = (now: Tally, before: Tally): Tally => tallyOf((field) => now[field] - before[field]);

/** Of what failed; a task that was cancelled, or was too old to start, has not. */
export function countEnd(tally: Tally, settlement: Settlement): Settlement {
  if (settlement.outcome === "retry") tally.retried++;
  else if (settlement.outcome === "failed") tally.failed++;
  return settlement;
}
