/** Every way but "done" in which a delivery can end, in BullMQ's words. */
import type { Job } from "bullmq";
import type { Settlement } from "../../src/contract/index.ts";
import { aheadAgainAfter } from "./ahead-again.ts";
import type { Bullmq } from "./bullmq.ts";
import { rateLimited } from "./foreign.ts";
import type { Leases } from "./leases.ts";

/** `entry.moved` becomes true where the job was put back. */
export function createSettler(bull: Bullmq, leases: () => Leases, report: (error: unknown) => void) {
  async function putBack(entry: { moved: boolean }, job: Job, move: () => Promise<unknown>): Promise<never> {
    await leases()
      .withLock(job, move)
      .then(() => (entry.moved = true), report);
    throw new bull.WaitingError(); // tells BullMQ that the job has been taken care of
  }
  return async (
    settlement: Exclude<Settlement, { outcome: "done" }>,
    job: Job,
    entry: { moved: boolean },
    token: string | undefined,
  ): Promise<never> => {
    switch (settlement.outcome) {
      case "failed":
        throw failureOf(job, settlement.error, 1);
      case "retry":
        job.opts.backoff = { type: "fixed", delay: Math.ceil(settlement.delayMs) };
        if (job.opts.lifo && settlement.delayMs > 0) aheadAgainAfter(settlement.delayMs, async () => job);
        throw failureOf(job, settlement.error, 2);
      case "postponed":
        if (job.opts.lifo && settlement.delayMs > 0) aheadAgainAfter(settlement.delayMs, async () => job);
        // The wall clock, because BullMQ subtracts it again. Without delay too: so it comes behind what waits.
        return putBack(entry, job, () => job.moveToDelayed(Date.now() + Math.ceil(settlement.delayMs), token));
      case "moved":
        entry.moved = true;
        throw isRateLimit(settlement.by) ? new Error(rateLimited) : new bull.WaitingError();
      case "returned":
        return putBack(entry, job, () => job.moveToWait(token));
    }
  };
}

/** Whatever else it was, BullMQ takes one of these as the other; its class may come from another copy of BullMQ. */
const isRateLimit = (by: unknown) => (by as { message?: unknown }).message === rateLimited;

const meantForBullmq = new Set(["DelayedError", "WaitingError", "WaitingChildrenError"]);

/**
 * The core counts attempts: BullMQ is told just now that one more is allowed, or none. Right for jobs of others too.
 * One that ends before its attempts are used up has not exhausted its retries: there is an event for that.
 */
function failureOf(job: Job, error: Error, attempts: 1 | 2): Error {
  const isEarly = attempts === 1 && (job.opts.attempts ?? 0) > job.attemptsMade + 1;
  if (!isEarly) job.opts.attempts = job.attemptsMade + attempts;
  job.opts.stackTraceLimit ??= 10;
  const isPlain = typeof error.message === "string" && !meantForBullmq.has(error.name);
  const mayStay = attempts === 1 || error.name !== "UnrecoverableError";
  const isKept = isPlain && mayStay && error.message !== rateLimited;
  if (isKept && !isEarly) return error;
  const shown = new Error(isKept ? error.message : `${error.name}: ${String(error.message)}`);
  return Object.assign(shown, { stack: String(error.stack) }, isEarly ? { name: "UnrecoverableError" } : {});
}
