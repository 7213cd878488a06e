/** Every error that funboost throws, and how errors travel between processes. */
import type { FinalStatus } from "../contract/broker.ts";

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
    super(`${prefix}${message}`, options && "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.name = new.target.name;
    Object.defineProperty(this, brand, { value: true });
  }
}

/** True for errors of any copy of funboost in this process. */
export function isFunboostError(value: unknown): value is FunboostError {
  return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[brand] === true;
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
 * rebuilt from its name, message, stack, code and cause; its class too, where the task lists it in `errors`.
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

/** A thrown value as an Error: engines, logs and waiters never see anything else. */
export function toError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  if (isErrorLike(thrown)) return reviveError(thrown) as Error; // an Error of another realm
  return new Error(typeof thrown === "string" ? thrown : `A task threw ${describe(thrown)}, which is no Error.`, {
    cause: thrown,
  });
}

function isErrorLike(value: unknown): value is SerializedError {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as Error).message === "string" &&
    typeof (value as Error).name === "string"
  );
}

/** A short text for a value in an error message; never its whole content. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return `function ${value.name || "(anonymous)"}`;
  if (typeof value === "symbol") return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  const name = Object.getPrototypeOf(value)?.constructor?.name;
  return name && name !== "Object" ? `a ${name}` : "an object";
}

export interface SerializedError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly code?: string | number;
  readonly cause?: SerializedError | { readonly value: string };
}

const maxDepth = 5;

/**
 * Name, message, stack, code and cause, five deep, and nothing else: an HTTP client's error carries its Authorization
 * header.
 */
export function serializeError(error: unknown, depth = 1): SerializedError {
  const source = toError(error) as Error & { code?: unknown };
  const { code, cause } = source;
  return {
    name: source.name,
    message: source.message,
    ...(source.stack ? { stack: source.stack } : {}),
    ...(typeof code === "string" || typeof code === "number" ? { code } : {}),
    ...(cause !== undefined && depth < maxDepth
      ? { cause: cause instanceof Error ? serializeError(cause, depth + 1) : { value: describe(cause) } }
      : {}),
  };
}

export type ErrorClass = new (...args: never[]) => Error;

/** The error back from its text; a class only if it is listed. */
export function reviveError(
  data: SerializedError | { readonly value: string },
  classes: readonly ErrorClass[] = [],
): unknown {
  if (!("message" in data)) return data.value;
  const known = classes.find((each) => each.name === data.name);
  const error: Error & { code?: string | number } = known ? Object.create(known.prototype) : new Error(data.message);
  const hidden = (key: string | symbol, value: unknown) =>
    Object.defineProperty(error, key, { value, configurable: true, writable: true, enumerable: false });
  hidden("message", data.message);
  hidden("name", data.name);
  if (data.stack) hidden("stack", data.stack);
  if (data.cause) hidden("cause", reviveError(data.cause, classes));
  if (data.code !== undefined) error.code = data.code;
  if (known?.prototype instanceof FunboostError) hidden(brand, true);
  return error;
}

/** Userinfo in URLs is masked wherever a text may reach a log or an error. */
export function maskSecrets(text: string): string {
  return text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi, "$1***@");
}

/** How to set a store that all processes share. */
export const storeAdvice = `Set one: configure({ store: redisStore({ url }) }), from "funboost/stores/redis".`;

export function needsStore(broker: string, option: string): FunboostError {
  const lack = `"${option}" needs a store, which this broker has not.`;
  return new FunboostError("NEEDS_STORE", `${lack} ${storeAdvice}`, { where: broker });
}
