/** Errors to throw in a task, that say what is to become of its message. */
import { type Duration, durationMs } from "../base/duration.ts";
import { FunboostError, isError, serializeError } from "../base/errors.ts";

/**
 * Throw it in a task: run again, `after` milliseconds (or "30s") from now, else after the task's backoff; one more
 * attempt.
 *
 * @example
 * const fetchPage = boost({ queue: "pages" }, async (url: string) => {
 *   const answer = await fetch(url);
 *   if (answer.status === 429) throw new RetryError({ after: "30s" });
 *   return answer.text();
 * });
 */
export class RetryError extends FunboostError {
  /** Milliseconds. */
  readonly after: number | undefined;
  constructor(options: { after?: Duration; cause?: unknown } = {}) {
    super("RETRY", `asked for a retry${causeText(options.cause)}`, { cause: options.cause, prefix: false });
    this.after = notBeforeNow(options.after);
  }
}

/**
 * Throw it in a task: back behind the others for `after` (default 100 ms), without counting an attempt; at most
 * `maxRequeues` times.
 *
 * @example
 * const print = boost({ queue: "print" }, (file: string) => {
 *   if (Math.random() < 0.1) throw new RequeueError({ after: "5s" }); // the printer is busy
 *   return file;
 * });
 */
export class RequeueError extends FunboostError {
  /** Milliseconds. */
  readonly after: number | undefined;
  constructor(options: { after?: Duration; cause?: unknown } = {}) {
    super("REQUEUE", `asked to be requeued${causeText(options.cause)}`, { cause: options.cause, prefix: false });
    this.after = notBeforeNow(options.after);
  }
}

/**
 * Throw it in a task: kept in the dead-letter queue at once, without a retry; where `deadLetter` is not set, in
 * `<queue>_dlx`.
 *
 * @example
 * const pay = boost({ queue: "pay" }, (cents: number) => {
 *   if (cents < 0) throw new DeadLetterError("a negative amount");
 * });
 */
export class DeadLetterError extends FunboostError {
  constructor(message = "asked for the dead-letter queue", options?: { cause?: unknown }) {
    super("DEAD_LETTER", message, { ...options, prefix: false });
  }
}

/**
 * Throw it in a task: failed for good, without a retry. Kept in the dead-letter queue where `deadLetter` is set, as all
 * that failed for good.
 *
 * @example
 * const greet = boost({ queue: "greet" }, (name: string) => {
 *   if (name === "") throw new FatalError("nobody to greet");
 * });
 */
export class FatalError extends FunboostError {
  constructor(message = "failed for good", options?: { cause?: unknown }) {
    super("FATAL", message, { ...options, prefix: false });
  }
}

/**
 * A time that has passed, as of a limit that was reset, is now. A text that is no duration throws where the task made
 * it.
 */
function notBeforeNow(after: Duration | undefined): number | undefined {
  return typeof after === "string"
    ? durationMs(after, "after")
    : after === undefined
      ? undefined
      : Math.max(0, Number(after) || 0);
}

function causeText(cause: unknown): string {
  return isError(cause) ? `: ${serializeError(cause).message}` : "";
}
