/** Jobs that others added to a queue of Bee-Queue, and the rules that they came with, as its own workers read them. */
import type { JsonObject, Rules } from "../../src/contract/index.ts";
import type { BeeJob } from "./bee.ts";

/** An older funboost wrote no mark; most of its messages name the order of their arguments. */
export function isOurs({ options, data }: BeeJob): boolean {
  if (options?.funboost === 1) return true;
  const extra = (data as { readonly extra?: JsonObject } | null)?.extra;
  return typeof extra === "object" && Array.isArray(extra?.order);
}

/** `retries` counts those that are left. */
export function rulesOf(job: BeeJob, attempt: number): Rules {
  const { retries, timeout } = job.options;
  return {
    maxRetries: attempt - 1 + (Number(retries) || 0),
    ...(timeout ? { timeoutMs: timeout } : {}),
    delayMs: () => nextDelay(job.options),
    reads: () => undefined,
    foreign: () => asPublished(job.options, attempt),
  };
}

/** As it was before the first of its runs, but for the delay of that. */
function asPublished(options: BeeJob["options"], attempt: number): JsonObject {
  const { funboost: _, attempt: _attempt, ahead: _ahead, delay: _delay, ...others } = options;
  const { timestamp: _time, stacktraces: _traces, retries, backoff, ...own } = others;
  const runs = attempt - 1;
  const isDoubled = backoff?.strategy === "exponential" && Number(backoff.delay) > 0;
  return {
    ...own,
    retries: (Number(retries) || 0) + runs,
    ...(backoff ? { backoff: isDoubled ? { ...backoff, delay: Number(backoff.delay) / 2 ** runs } : backoff } : {}),
  };
}

/** An exponential one doubles what stands in the job, which is written down with it. */
function nextDelay({ backoff }: BeeJob["options"]): number {
  const { strategy, delay = 0 } = backoff ?? {};
  if (strategy !== "fixed" && strategy !== "exponential") return 0;
  if (backoff && strategy === "exponential") backoff.delay = delay * 2;
  return Number(delay) || 0;
}
