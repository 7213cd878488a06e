/** How a task ended, as it is kept in the store and read by waiters. */
import { clock } from "../base/clock.ts";
import {
  type ErrorClass,
  type ErrorCode,
  ResultError,
  reviveError,
  type SerializedError,
  TaskError,
} from "../base/errors.ts";
import type { Ended, FinalStatus } from "../contract/broker.ts";

/** The final record of a task. Times are epoch milliseconds. */
export interface TaskRecord<R = unknown> {
  readonly id: string;
  readonly queue: string;
  /** The task's name, where its queue has several. */
  readonly job?: string;
  readonly status: FinalStatus;
  /** Present when done, unless the task returned nothing. */
  readonly result?: R;
  /**
   * Rebuilt from name, message, stack, code and cause, which `JSON.stringify()` of it holds too. Fields of a class's
   * own do not travel.
   */
  readonly error?: Error;
  readonly attempts: number;
  readonly publishedAt?: number;
  readonly startedAt?: number;
  readonly endedAt: number;
  readonly host: string;
  readonly pid: number;
}

/** Of a task whose process died while it ran it; it may run again. `endedAt` is its start. */
export interface LostRecord extends Omit<TaskRecord<undefined>, "status"> {
  readonly status: "lost";
}

/** A final record as JSON. */
export interface Outcome extends Omit<TaskRecord, "error"> {
  readonly error?: SerializedError;
  /** Where the result could not be carried. */
  readonly lostAt?: string;
}

/** What an engine answers holds only what it knows. */
export function toOutcome(id: string, queue: string, { error, ...ended }: Ended): Outcome {
  const facts = { attempts: 1, endedAt: clock.now(), host: "", pid: 0 };
  return { id, queue, ...facts, ...ended, ...(error && { error: error as unknown as SerializedError }) };
}

export function toRecord<R>(outcome: Outcome, classes: readonly ErrorClass[]): TaskRecord<R> {
  const { error, lostAt, ...rest } = outcome;
  const record = rest as TaskRecord<R>;
  if (lostAt !== undefined) return { ...record, error: lostResult(outcome, lostAt) };
  return error ? { ...record, error: reviveError(error, classes) as Error } : record;
}

/** The result, or throws what the waiter is to see. */
export function resultOf<R>(outcome: Outcome, classes: readonly ErrorClass[]): R {
  const { error, cause } = { error: outcome.error, cause: outcome.error && reviveError(outcome.error, classes) };
  if (outcome.lostAt !== undefined) throw lostResult(outcome, outcome.lostAt);
  if (outcome.status === "done" || outcome.status === "filtered") return outcome.result as R;
  const code = codeOf(outcome);
  const text = error ? `: ${error.name}: ${error.message}` : "";
  const { status, id: taskId, queue, attempts } = outcome;
  throw new TaskError(
    `Task ${taskId} ${endTexts[status]} after ${attempts} ${attempts === 1 ? "attempt" : "attempts"}${text}`,
    {
      code,
      status,
      taskId,
      queue,
      attempts,
      cause,
    },
  );
}

function codeOf({ status, error }: Outcome): ErrorCode {
  if (status === "cancelled") return error?.code === "CLEARED" ? "CLEARED" : "CANCELLED";
  return status === "expired" ? "EXPIRED" : "TASK";
}

const endTexts: Record<FinalStatus, string> = {
  done: "ended",
  failed: "failed",
  dead: "was moved to the dead-letter queue",
  cancelled: "was cancelled",
  expired: "expired",
  filtered: "was filtered",
};

function lostResult(outcome: Outcome, path: string): ResultError {
  return new ResultError(
    `Task ${outcome.id} is done, but its result cannot be carried: ${outcome.error?.message ?? path}`,
    path,
    outcome.queue,
  );
}
