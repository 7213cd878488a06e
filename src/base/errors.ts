/** Every error that funboost throws, and how errors travel between processes. */
import type { FinalStatus } from "../contract/broker.ts";
import { copyOf, serializeError } from "./error-data.ts";
import { maskSecrets } from "./mask-secrets.ts";

export {
  describe,
  type ErrorClass,
  isError,
  reviveError,
  type SerializedError,
  serializeError,
  toError,
} from "./error-data.ts";

const brand = Symbol.for("funboost.error");

export type ErrorCode =
  | "BAD_OPTION" // a value or a name that boost(), configure() or a call cannot take
  | "BAD_ARGS" // arguments that cannot be carried or do not fit the task
  | "BAD_MESSAGE" // a body in the queue that is no call of this task
  | "BAD_QUEUE" // a queue name that the broker cannot take
  | "BROKER_DOWN" // cannot be reached now; trying again makes sense
  | "BROKER_REFUSED" // will not work until something is changed: password, version, permission
  | "MISSING_PEER" // an engine's client is not installed
  | "NEEDS_STORE" // an option needs shared state and there is none
  | "UNSUPPORTED" // the engine cannot do it and it cannot be emulated
  | "PUBLISH_FAILED"
  | "CONFIGURED_LATE"
  | "TWO_CONSUMERS"
  | "SHUT_DOWN"
  | "TIMEOUT" // the task's own `timeout`
  | "EXPIRED"
  | "CANCELLED"
  | "CLEARED" // clear() removed it before it started
  | "CRASHED"
  | "WAIT_TIMEOUT"
  | "NO_RESULT" // it has ended, or none is kept
  | "UNKNOWN_TASK" // nobody knows the id that is waited for
  | "RESULT"
  | "TASK"
  | "RETRY"
  | "REQUEUE"
  | "DEAD_LETTER"
  | "FATAL"
  | "LOCKED" // held by another, or lost
  | "STORE";

/**
 * The base of all errors of funboost. `code` says what happened, the message names the value and the next step.
 *
 * @example
 * try { await task.push(new Map()); } catch (error) { if (isFunboostError(error)) console.log(error.code); }
 */
export class FunboostError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown; where?: string; prefix?: false }) {
    const prefix = options?.prefix === false ? "" : `[funboost] ${options?.where ? `[${options.where}] ` : ""}`;
    // An address that stands in the wrong option, or in a client's own words, may hold a password.
    super(maskSecrets(`${prefix}${message}`), options && "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.name = new.target.name;
  }
  static {
    Object.defineProperty(FunboostError.prototype, brand, { value: true });
  }

  /** All that it tells, for a log or an answer: name, message, code, stack and cause, and what its class adds. */
  toJSON(): object {
    return { ...this, ...serializeError(this) };
  }
}

/** True for errors of any copy of funboost in this process. */
export function isFunboostError(value: unknown): value is FunboostError {
  try {
    return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[brand] === true;
  } catch {
    return false; // a proxy that was revoked
  }
}

/** A publish that the broker did not accept in full. `accepted` holds the ids that are known to be in the queue. */
export class PublishError extends FunboostError {
  readonly accepted: readonly string[];
  constructor(message: string, accepted: readonly string[], options?: { cause?: unknown; where?: string }) {
    super("PUBLISH_FAILED", message, options);
    this.accepted = accepted;
  }
}

/** The ids that an error of a publish says were accepted; an adapter's own errors may say it too. */
export function acceptedOf(error: unknown): readonly string[] {
  return (error as Partial<PublishError> | undefined)?.accepted ?? [];
}

/**
 * What `waitResult()` rejects with when the task did not end well. `cause` is the error that the task threw,
 * rebuilt from its name, message, stack, code and cause; its class too, where the task lists it in `errors`, without
 * the fields of its own. `JSON.stringify()` holds all of it.
 */
export class TaskError extends FunboostError {
  readonly status: FinalStatus;
  readonly taskId: string;
  readonly queue: string;
  readonly attempts: number;
  constructor(
    message: string,
    facts: { code?: ErrorCode; status: FinalStatus; taskId: string; queue: string; attempts: number; cause?: unknown },
  ) {
    super(facts.code ?? "TASK", message, { cause: facts.cause, where: facts.queue });
    this.status = facts.status;
    this.taskId = facts.taskId;
    this.queue = facts.queue;
    this.attempts = facts.attempts;
  }
}

/** The wait ended before the task did. The task goes on. */
export class WaitTimeoutError extends FunboostError {
  constructor(message: string, where: string) {
    super("WAIT_TIMEOUT", message, { where });
  }
}

/** The task ran to its end, but its result cannot be carried as JSON. `path` names the place. */
export class ResultError extends FunboostError {
  readonly path: string;
  constructor(message: string, path: string, where?: string) {
    super("RESULT", message, where ? { where } : undefined);
    this.path = path;
  }
}

/** The attempt took longer than the task's `timeout`. */
export class TimeoutError extends FunboostError {
  constructor(message: string, where?: string) {
    super("TIMEOUT", message, where ? { where } : undefined);
  }
}

/**
 * A copy of what a task threw, made once, at the catch: engines, logs, records, waiters see nothing else. It is plain
 * whatever was thrown: a getter or a proxy that throws cannot keep its message from being settled.
 */
export function copyError(thrown: unknown): Error {
  const data = serializeError(thrown);
  if (!isFunboostError(thrown)) return copyOf(data, () => new Error(data.message));
  const copy = copyOf(data, () => new FunboostError(data.code as ErrorCode, data.message, { prefix: false }));
  const after = afterOf(thrown);
  return after === undefined ? copy : Object.assign(copy, { after });
}

/** Of a RetryError or a RequeueError, in milliseconds. */
function afterOf(error: FunboostError & { readonly after?: unknown }): number | undefined {
  try {
    return typeof error.after === "number" ? error.after : undefined;
  } catch {
    return undefined;
  }
}

/** How to set a store that all processes share. */
export const storeAdvice = `Set one: configure({ store: redisStore({ url }) }), from "funboost/stores/redis".`;

export function needsStore(broker: string, option: string): FunboostError {
  const lack = `"${option}" needs a store, which this broker has not.`;
  return new FunboostError("NEEDS_STORE", `${lack} ${storeAdvice}`, { where: broker });
}
