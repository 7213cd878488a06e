/** Jobs that others added for Agenda, and the rules of the worker that ran them. */
import type { Rules } from "../../src/contract/index.ts";
import { isRecurring } from "./jobs.ts";
import type { AgendaBackoff } from "./options.ts";
import type { Job } from "./table.ts";

/** Ours have the time at which they were published. */
export const isOurs = (job: Job): boolean => Boolean(job.startDate) && !isRecurring(job);

/** A job of Agenda says nothing of retries: its worker does, and without a `backoff` there is one run. */
export function rulesOf(job: Job, backoff: AgendaBackoff | undefined): Rules {
  return {
    maxRetries: backoff ? Number.MAX_SAFE_INTEGER : 0,
    delayMs: (attempt, error) => backoff?.({ attempt, error, jobName: job.name, jobData: job.data }) ?? "final",
    reads: () => undefined,
    foreign: () => ({}), // its data; Agenda's own priority does not come back
  };
}
