/** Whether there is another run after one that failed, and when: as the message, its publisher or its task says. */
import { clock } from "../base/clock.ts";
import { heldDelayMs } from "../base/duration.ts";
import { copyError, describe, isFunboostError, toError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { backoffMs, planOf } from "../options/backoff.ts";
import type { OpenQueue } from "../setup/model.ts";
import type { RequeueError, RetryError } from "../task/errors.ts";
import type { Attempt } from "./attempt.ts";

/** What a run threw: as it is, for code of the user's own, and the copy that all else gets. */
export interface Thrown {
  readonly value: unknown;
  readonly error: Error;
}

/** How long until the next run, in milliseconds. "moved": the run has moved its message by itself. */
export async function nextRun(
  task: OpenQueue,
  attempt: Attempt,
  { value, error }: Thrown,
  logger: Logger,
): Promise<number | "final" | "moved"> {
  const { delivery, limits, rules } = attempt;
  const code = isFunboostError(error) ? error.code : undefined;
  if (code === "FATAL" || code === "DEAD_LETTER") return "final";
  const meaning = code === "RETRY" ? undefined : rules?.reads(value);
  if (meaning) return meaning;
  const maxRetries = limits.maxRetries ?? rules?.maxRetries ?? task.options.maxRetries;
  if (delivery.attempt > maxRetries) return "final";
  const after = code === "RETRY" ? askedMs(error as RetryError, logger) : undefined;
  const wait = after ?? (await waitOf(task, attempt, toError(value), logger));
  return wait === "final" || wait === false ? "final" : heldDelayMs(wait, clock.now());
}

/** Code of the user's own may answer it: where that throws, the message waits as most do, and is not lost. */
async function waitOf(
  { options: { backoff, queue } }: OpenQueue,
  { delivery: { attempt }, rules }: Attempt,
  error: Error,
  logger: Logger,
): Promise<number | "final" | false> {
  try {
    if (rules) return await rules.delayMs(attempt, error);
    return typeof backoff === "function" ? backoff({ attempt, error }) : backoffMs(backoff, attempt);
  } catch (thrown) {
    logger.warn({ queue, attempt, error: copyError(thrown) }, "backoff threw; the default wait is taken");
    return backoffMs(planOf(undefined), attempt);
  }
}

/** What a thrown error asks for, as far as engines hold it. */
export function askedMs({ after }: RetryError | RequeueError, logger: Logger): number | undefined {
  if (after === undefined) return undefined;
  const delayMs = heldDelayMs(after, clock.now());
  if (delayMs !== after) logger.warn({ after: describe(after), delayMs }, "an error asks for no time that can be kept");
  return delayMs;
}
