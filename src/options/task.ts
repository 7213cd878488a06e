/** Every option of a task: as it is given, and as it is in force. */

import type { Duration } from "../base/duration.ts";
import type { ErrorClass } from "../base/errors.ts";
import type { LogLevel, LogOptions } from "../base/log.ts";
import type { Broker } from "../contract/broker.ts";
import type { BrokerChoice, BrokerOptionsOf } from "../contract/brokers.ts";
import type { Backoff, BackoffCall, BackoffFunction, BackoffPlan } from "./backoff.ts";
import type { FilterOptions, FilterParams } from "./filter.ts";
import type { Middleware, PublishMiddleware, Schema } from "./middleware.ts";
import type { ConcurrencyPool, PoolSlots } from "./pool.ts";
import type { Limit, Qps } from "./qps.ts";
import type { OnRecord, RecordOptions, RecordParams } from "./record.ts";

/**
 * The params of a task. Times are milliseconds, or texts such as "30s", "5m", "2h", "1d".
 *
 * @example
 * const params: TaskParams = { queue: "transcode", broker: "bullmq", concurrency: 4, maxRetries: 5, timeout: "10m" };
 */
export interface TaskParams<
  // biome-ignore lint/suspicious/noExplicitAny: a bound; shared params fit tasks of whatever arguments
  Args extends readonly unknown[] = any,
  B extends BrokerChoice = BrokerChoice,
  S extends Schema = Schema,
> {
  /** The queue's name; one function on each. Required. */
  queue: string;
  /** The engine: its name, or an instance such as `bullmq({ connection })`. @default "sqlite" */
  broker?: B;
  /** The engine's own options for this queue, passed through. @default {} */
  brokerOptions?: BrokerOptionsOf<B>;
  /** Runs at once in this process, 1 to 100,000. @default 50, with `qps` 500 */
  concurrency?: number;
  /**
   * Takes over what other code publishes to this queue: its jobs keep their own attempts, backoff and retention, and
   * their data is the argument. Needs `concurrency`.
   * @default false
   */
  adopt?: boolean;
  /** Places shared with other tasks, of `concurrencyPool(n)`. @default none */
  pool?: ConcurrencyPool;
  /**
   * Messages held before they run, 0 to 100,000; heavy tasks set 0.
   * @default what the engine finds worth it, at most 2 x `concurrency`
   */
  prefetch?: number;
  /**
   * Runs started per second, 0.01 to 100,000, evenly spaced, whatever each takes; or caps, or several:
   * `[3, { count: 100, per: "1m" }]`.
   * @default no limit
   */
  qps?: Qps;
  /** Whose limit `qps` is: each process's own, or one for all, kept in the store. @default "process" */
  qpsScope?: "process" | "global";
  /**
   * Runs after the first that failed, 0 to 1,000,000. The consumer's value counts, read when a run fails.
   * @default 3
   */
  maxRetries?: number;
  /** How often a run may ask to be requeued, 0 to 1,000,000; then dead letter. @default 100 */
  maxRequeues?: number;
  /**
   * The wait before each retry; a time such as 500 or "1s" is the same wait each time, 0 at once. Or a function:
   * `({ attempt, error }) => milliseconds`, or false for no other run.
   * @default exponential from 1 s to 1 min with full jitter
   */
  backoff?: Backoff | Duration | BackoffFunction;
  /**
   * Keep what failed for good, after its retries or by a `FatalError`: true is in `<queue>_dlx`, a text is a queue's
   * name. What `DeadLetterError`, `maxRequeues`, `maxCrashes` and bodies that cannot be read lead to is kept without it
   * too, in `<queue>_dlx`.
   * @default false
   */
  deadLetter?: boolean | string;
  /** How long one run may take; 0 is no limit. @default no limit */
  timeout?: Duration;
  /** Older messages are dropped, recorded as expired, and answer their waiters; 0 is never. @default never */
  expireAfter?: Duration;
  /** Skip a task that was done with the same arguments. @default false; true is { ttl: "7d", when: "done" } */
  filter?: boolean | FilterParams<Args>;
  /**
   * Keep results, so that `waitResult()` works: `ttl` is how long, `timeout` how long a wait lasts.
   * @default false; true is { ttl: "30m", timeout: "30m" }
   */
  rpc?: boolean | { readonly ttl?: Duration; readonly timeout?: Duration };
  /**
   * Keep a row for each task that ended, for `records()`.
   * @default false; true is { ttl: "7d", results: true, running: false }
   */
  record?: boolean | RecordParams;
  /** Called with each row, to write it to a table of your own. @default none */
  onRecord?: OnRecord;
  /**
   * Checks the arguments at publish and at run. Any Standard Schema: of a tuple of two and more it is the list of
   * arguments, of all else the one argument. What travels is what the caller gave, as JSON; the function gets what the
   * schema makes of it.
   * @default none
   */
  input?: S;
  /** Checks the result of a run; what does not fit fails for good. @default none */
  output?: Schema;
  /** Around each run, outermost first. @default [] */
  use?: readonly Middleware[];
  /** Around each publish, outermost first. @default [] */
  usePublish?: readonly PublishMiddleware[];
  /**
   * Classes that errors of this task may come back as at `waitResult()`, found by the error's `name` or by its
   * constructor's. Name, message, stack, code and cause travel; fields of a class's own do not, and its constructor is
   * not called. Where code is minified, set `name` in the class.
   * @default []
   */
  errors?: readonly ErrorClass[];
  /**
   * Names of the arguments, which then bind by name ("height?": may be missing; "...sizes": the rest); "object": the
   * body is the one argument.
   * @default read from the source, as labels
   */
  params?: readonly string[] | "object";
  /** Arguments from a body that funboost did not publish: text, Buffer or JSON value. */
  convert?: (raw: unknown) => Converted<Args>;
  /** Level, options, or false for silence. @default what `configure({ log })` says */
  log?: LogOptions | LogLevel | false;
  /** A publish that the broker has not accepted by then rejects. @default "10s" */
  publishTimeout?: Duration;
  /** Runs that may wait for other tasks at once, 1 to 1,000,000. @default 1000 */
  maxSuspended?: number;
  /** Crashes of its process in which it ran alone, after which a message is dead, 1 to 1000. @default 5 */
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
  readonly adopt: boolean;
  readonly pool: PoolSlots | undefined;
  readonly prefetch: number | undefined;
  readonly limits: readonly Limit[] | undefined;
  readonly qpsScope: "process" | "global";
  readonly maxRetries: number;
  readonly maxRequeues: number;
  readonly backoff: BackoffPlan | BackoffCall;
  /** A queue's name. */
  readonly deadLetter: string | undefined;
  readonly timeoutMs: number | undefined;
  readonly expireAfterMs: number | undefined;
  readonly rpc: { readonly ttlMs: number; readonly timeoutMs: number } | undefined;
  readonly filter: FilterOptions | undefined;
  readonly record: RecordOptions | undefined;
  readonly onRecord: OnRecord | undefined;
  readonly input: Schema | undefined;
  readonly output: Schema | undefined;
  readonly use: readonly Middleware[];
  readonly usePublish: readonly PublishMiddleware[];
  readonly errors: readonly ErrorClass[];
  readonly publishTimeoutMs: number;
  readonly maxSuspended: number;
  readonly maxCrashes: number;
  readonly log: LogOptions | undefined;
  readonly convert: ((raw: unknown) => readonly unknown[]) | undefined;
}
