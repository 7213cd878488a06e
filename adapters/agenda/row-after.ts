/** What a job becomes when its run has ended, in Agenda's own words. */
import type { Settlement } from "../../src/contract/index.ts";
import { crashesOf, fenceOf, isRecurring, withCrashes } from "./jobs.ts";
import { toPlain } from "./plain-text.ts";
import type { ServerClock } from "./server-clock.ts";
import type { Job, UnlockedRow } from "./table.ts";

export interface RowRules {
  readonly time: ServerClock;
  readonly keepDone: boolean;
  readonly keepFailed: boolean;
  readonly owner: string;
  /** When a job of `every()` runs next. */
  next(job: Job): Date | null;
}

/** All that is left as it is. */
export function unchangedRow(job: Job, owner: string): UnlockedRow {
  return {
    ...fenceOf(job),
    nextRunAt: job.nextRunAt,
    rank: undefined,
    lastRunAt: job.lastRunAt ?? null,
    lastFinishedAt: job.lastFinishedAt ?? null,
    failedAt: job.failedAt ?? null,
    failCount: job.failCount ?? null,
    failReason: job.failReason ?? null,
    lastModifiedBy: owner,
  };
}

/** Undefined: the row is removed. */
export function rowAfter(
  job: Job,
  settlement: Settlement,
  { time, keepDone, keepFailed, owner, next }: RowRules,
): UnlockedRow | undefined {
  const now = new Date(time.now());
  const recurring = isRecurring(job);
  const run = { ...unchangedRow(job, owner), lastRunAt: job.lockedAt ?? now };
  const again = (delayMs: number) => {
    const { at, rank } = time.ticket(delayMs);
    return { nextRunAt: at, rank: recurring ? undefined : rank }; // one that stays keeps its priority
  };
  const failed = (error: Error, crashes: number) => ({
    ...{ lastFinishedAt: now, failedAt: now, failCount: (job.failCount ?? 0) + 1 },
    failReason: withCrashes(toPlain(String(error.message ?? error)), crashes),
  });
  const nextRunAt = recurring ? next({ ...job, lastRunAt: run.lastRunAt }) : null;
  switch (settlement.outcome) {
    case "postponed":
      return { ...run, ...again(settlement.delayMs) };
    case "retry":
      return { ...run, ...failed(settlement.error, crashesOf(job)), ...again(settlement.delayMs) };
    case "done":
      return recurring || keepDone
        ? {
            ...run,
            lastFinishedAt: now,
            failCount: job.failCount ? 0 : null,
            failReason: withCrashes(job.failReason, 0),
            nextRunAt,
          }
        : undefined;
    case "failed":
      // The attempts of the next firing count from 1 again.
      return recurring || keepFailed
        ? { ...run, ...failed(settlement.error, 0), ...(recurring ? { failCount: 0 } : {}), nextRunAt }
        : undefined;
    default:
      return unchangedRow(job, owner);
  }
}
