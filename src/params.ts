/** Every option of a task: type, default, validation. */
import { type Backoff, type BackoffPlan, parseBackoff } from "./backoff.ts";
import { type Check, type Checks, checkMembers, duration, durationAboveZero, isRecord, log, numberIn, record, refuseOption, text, whole } from "./checks.ts";
import type { Broker } from "./contract/index.ts";
import { type Duration, durationMs } from "./duration.ts";
import { describe, type ErrorClass, FunboostError } from "./errors.ts";
import type { LogLevel, LogOptions } from "./log.ts";

export { type PublishOptions, type ResolvedPublish, resolvePublish } from "./publish-options.ts";

/**
 * The params of a task. Times are milliseconds, or texts such as "30s", "5m", "2h", "1d".
 *
 * @example
 * const params: TaskParams = { queue: "transcode", broker: "bullmq", concurrency: 4, maxRetries: 5, timeout: "10m" };
 */
// biome-ignore lint/suspicious/noExplicitAny: a bound; shared params fit tasks of whatever arguments
export interface TaskParams<Args extends readonly unknown[] = any> {
  /** The queue's name; one function on each. Required. */
  queue: string;
  /** The engine: its name, or an instance such as `bullmq({ connection })`. @default "sqlite" */
  broker?: string | Broker;
  /** The engine's own options for this queue, passed through. @default {} */
  brokerOptions?: Readonly<Record<string, unknown>>;
  /** Runs at once in this process, 1 to 100,000. @default 50, with `qps` 500 */
  concurrency?: number;
  /** Messages held before they run, 0 to 100,000; heavy tasks set 0. @default what the engine finds worth it, at most 2 x `concurrency` */
  prefetch?: number;
  /** Runs started per second in this process, 0.01 to 100,000, whatever each takes. @default no limit */
  qps?: number;
  /** Runs after the first that failed, 0 to 1,000,000. The consumer's value counts, read when a run fails. @default 3 */
  maxRetries?: number;
  /** How often a run may ask to be requeued, 0 to 1,000,000; then dead letter. @default 100 */
  maxRequeues?: number;
  /** The wait before each retry; a number is that many milliseconds each time, 0 at once. @default exponential from 1 s to 1 min with full jitter */
  backoff?: Backoff | number;
  /** Where messages go whose retries are used up: true is `<queue>_dlx`, a text is a queue's name. @default false */
  deadLetter?: boolean | string;
  /** How long one run may take; 0 is no limit. @default no limit */
  timeout?: Duration;
  /** Older messages are dropped, recorded as expired, and answer their waiters; 0 is never. @default never */
  expireAfter?: Duration;
  /** Keep results, so that `waitResult()` works: `ttl` is how long, `timeout` how long a wait lasts. @default false; true is { ttl: "30m", timeout: "30m" } */
  rpc?: boolean | { readonly ttl?: Duration; readonly timeout?: Duration };
  /** Classes that errors of this task may come back as at `waitResult()`. @default [] */
  errors?: readonly ErrorClass[];
  /** Names of the arguments, which then bind by name ("height?": may be missing; "...sizes": the rest); "object": the body is the one argument. @default read from the source, as labels */
  params?: readonly string[] | "object";
  /** Arguments from a body that funboost did not publish: text, Buffer or JSON value. */
  convert?: (raw: unknown) => Converted<Args>;
  /** Level, options, or false for silence. @default what `configure({ log })` says */
  log?: LogOptions | LogLevel | false;
  /** A publish that the broker has not accepted by then rejects. @default "10s" */
  publishTimeout?: Duration;
  /** Runs that may wait for other tasks at once, 1 to 1,000,000. @default 1000 */
  maxSuspended?: number;
  /** Crashes of its process after which a message is dead, 1 to 1000. @default 5 */
  maxCrashes?: number;
}

/** Any list where the function is not known yet, else a list of its arguments. */
// biome-ignore lint/suspicious/noExplicitAny: see above
type Converted<Args extends readonly unknown[]> = 0 extends 1 & Args ? any : readonly [...Args];

/** Params in force: defaults filled in, times in milliseconds. */
export interface Options {
  readonly queue: string;
  readonly broker: string | Broker;
  readonly brokerOptions: Readonly<Record<string, unknown>>;
  readonly concurrency: number;
  readonly prefetch: number | undefined;
  readonly qps: number | undefined;
  readonly maxRetries: number;
  readonly maxRequeues: number;
  readonly backoff: BackoffPlan;
  /** A queue's name. */
  readonly deadLetter: string | undefined;
  readonly timeoutMs: number | undefined;
  readonly expireAfterMs: number | undefined;
  readonly rpc: { readonly ttlMs: number; readonly timeoutMs: number } | undefined;
  readonly errors: readonly ErrorClass[];
  readonly publishTimeoutMs: number;
  readonly maxSuspended: number;
  readonly maxCrashes: number;
  readonly log: LogOptions | undefined;
  readonly convert: ((raw: unknown) => readonly unknown[]) | undefined;
}

/** Of the option, of consume() and of a live change. */
export const checkConcurrency: Check = whole(1, 100_000);

/** The one place of defaults. */
export const paramDefaults = {
  broker: "sqlite",
  brokerOptions: {},
  concurrency: 50,
  concurrencyWithQps: 500,
  maxRetries: 3,
  maxRequeues: 100,
  rpc: { ttl: "30m", timeout: "30m" },
  errors: [],
  publishTimeout: "10s",
  maxSuspended: 1000,
  maxCrashes: 5,
} as const;

const most = 1_000_000;

const rpcChecks: Checks = { ttl: durationAboveZero, timeout: durationAboveZero };

const checks: Readonly<Record<keyof TaskParams, Check>> = {
  queue: text(190),
  broker(value, name) {
    const isBroker = isRecord(value) && typeof value.name === "string" && typeof value.open === "function";
    if (!isBroker && (typeof value !== "string" || value === ""))
      refuseOption(name, value, 'a name such as "memory", "sqlite" or "bullmq", or an instance such as bullmq({ url })');
  },
  brokerOptions: record,
  concurrency: checkConcurrency,
  prefetch: whole(0, 100_000),
  qps: numberIn(0.01, 100_000),
  maxRetries: whole(0, most),
  maxRequeues: whole(0, most),
  backoff: (value) => parseBackoff(value as Backoff),
  deadLetter(value, name) {
    if (typeof value !== "boolean" && (typeof value !== "string" || value.trim() === ""))
      refuseOption(name, value, "true (<queue>_dlx), a queue's name, or false");
  },
  timeout: duration,
  expireAfter: duration,
  rpc(value, name) {
    if (isRecord(value)) checkMembers(value, rpcChecks, name);
    else if (typeof value !== "boolean") refuseOption(name, value, 'true, false, or { ttl: "30m", timeout: "30m" }');
  },
  errors(value, name) {
    const isClass = (each: unknown) => typeof each === "function" && each.prototype instanceof Error;
    const wrong = Array.isArray(value) ? value.find((each) => !isClass(each)) : value;
    if (!Array.isArray(value) || !value.every(isClass)) refuseOption(name, wrong, "a list of classes that extend Error");
  },
  params(value, name) {
    const isNames = Array.isArray(value) && value.every((each) => typeof each === "string");
    if (!isNames && value !== "object") refuseOption(name, value, 'a list of names such as ["file", "height"], or "object"');
  },
  convert(value, name) {
    if (typeof value !== "function") refuseOption(name, value, "a function from a raw body to the list of arguments");
  },
  log,
  publishTimeout: durationAboveZero,
  maxSuspended: whole(1, most),
  maxCrashes: whole(1, 1000),
};

const { queue: _queue, ...defaultChecks } = checks;

/** Throws BAD_OPTION for all that is wrong in itself; what depends on configuration and engine is resolved later. */
export function checkParams(params: unknown): asserts params is TaskParams {
  if (!isRecord(params)) throw new FunboostError("BAD_OPTION", `the params are ${describe(params)}. Allowed: an object such as { queue: "emails" }.`);
  const { queue } = params;
  if (queue === undefined) throw new FunboostError("BAD_OPTION", '"queue" is missing. Give the queue\'s name: boost({ queue: "emails" }, fn).');
  checks.queue(queue, "queue");
  within(queue as string, () => checkMembers(params, checks));
  if (params.deadLetter === queue) within(queue as string, () => refuseOption("deadLetter", queue, "another queue than the task's own"));
}

/** The same for options of all tasks. */
export function checkDefaults(defaults: unknown): asserts defaults is Partial<TaskParams> {
  if (!isRecord(defaults)) throw new FunboostError("BAD_OPTION", `"defaults" is ${describe(defaults)}. Allowed: an object such as { maxRetries: 5 }.`);
  if ("queue" in defaults) throw new FunboostError("BAD_OPTION", '"queue" cannot be a default: each task has its own. Give it to boost().');
  checkMembers(defaults, defaultChecks);
}

/** The queue's name before the text of a refusal. */
function within(queue: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof FunboostError)) throw error;
    throw new FunboostError(error.code, error.message.replace("[funboost] ", ""), { where: queue });
  }
}

/** Both must have been checked. */
export function resolveOptions(params: TaskParams, defaults: Partial<TaskParams>): Options {
  const given: TaskParams = { ...present(defaults), ...present(params), queue: params.queue };
  const { queue, qps, convert } = given;
  return {
    queue,
    broker: given.broker ?? paramDefaults.broker,
    brokerOptions: given.brokerOptions ?? paramDefaults.brokerOptions,
    concurrency: given.concurrency ?? (qps === undefined ? paramDefaults.concurrency : paramDefaults.concurrencyWithQps),
    prefetch: given.prefetch,
    qps,
    maxRetries: given.maxRetries ?? paramDefaults.maxRetries,
    maxRequeues: given.maxRequeues ?? paramDefaults.maxRequeues,
    backoff: parseBackoff(given.backoff),
    deadLetter: deadLetterOf(given),
    timeoutMs: limitMs(given.timeout, "timeout"),
    expireAfterMs: limitMs(given.expireAfter, "expireAfter"),
    rpc: resolveRpc(given.rpc),
    errors: given.errors ?? paramDefaults.errors,
    publishTimeoutMs: durationMs(given.publishTimeout ?? paramDefaults.publishTimeout, "publishTimeout"),
    maxSuspended: given.maxSuspended ?? paramDefaults.maxSuspended,
    maxCrashes: given.maxCrashes ?? paramDefaults.maxCrashes,
    log: resolveLog(params.log, defaults.log),
    convert,
  };
}

/** A default may name one dead-letter queue for all tasks: the task on that queue itself has none, or it would feed itself. */
function deadLetterOf({ queue, deadLetter }: TaskParams): string | undefined {
  const name = deadLetter === true ? `${queue}_dlx` : deadLetter || undefined;
  return name === queue ? undefined : name;
}

/** Without members that are undefined: these would hide a default. */
function present<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

function limitMs(value: Duration | undefined, name: string): number | undefined {
  return value === undefined ? undefined : durationMs(value, name) || undefined;
}

function resolveRpc(rpc: TaskParams["rpc"]): Options["rpc"] {
  if (!rpc) return undefined;
  const { ttl, timeout } = { ...paramDefaults.rpc, ...(rpc === true ? {} : present(rpc)) };
  return { ttlMs: durationMs(ttl, "rpc.ttl"), timeoutMs: durationMs(timeout, "rpc.timeout") };
}

/** A task's own members win over those of the defaults. */
export function resolveLog(own: TaskParams["log"], shared?: TaskParams["log"]): LogOptions | undefined {
  const options = (log: TaskParams["log"]): LogOptions | undefined => (log === false ? { level: "silent" } : typeof log === "string" ? { level: log } : log);
  return own === undefined ? options(shared) : { ...options(shared), ...options(own) };
}
