/** boost(params, fn): a function becomes a task. Opens nothing, reads no environment and no configuration. */

import { describe, FunboostError } from "./base/errors.ts";
import { type ConsumeOptions, consume, type TaskConsumer } from "./consume/consume.ts";
import type { Counts } from "./contract/broker.ts";
import type { BrokerChoice } from "./contract/brokers.ts";
import type { PublishOptions } from "./options/publish.ts";
import type { Qps } from "./options/qps.ts";
import type { TaskRow } from "./options/record.ts";
import type { TaskParams } from "./options/task.ts";
import { checkParams } from "./options/task-checks.ts";
import { publishAll, publishOne, publishRaw } from "./publish/publish.ts";
import type { PublishItem } from "./publish/to-message.ts";
import { callQueue } from "./queue/call-queue.ts";
import { clearQueue } from "./queue/clear-queue.ts";
import { type DeadLetters, deadLettersOf } from "./queue/dead-letters.ts";
import { type QueueInfo, queueInfo } from "./queue/info.ts";
import { setLiveConcurrency, setLiveQps } from "./queue/live-limits.ts";
import { queueStats, type StatsPoint, type StatsQuery } from "./queue/stats.ts";
import { TaskHandle } from "./results/handle.ts";
import { queryRecords, type RecordsQuery } from "./results/query-records.ts";
import { type WaitIdleOptions, waitIdle } from "./results/wait-idle.ts";
import { brokerOf, define, definitionOn, nameOfBroker, register } from "./setup/definition.ts";
import { type Support, supportOf } from "./setup/features.ts";
import type { Definition } from "./setup/model.ts";
import { openTask } from "./setup/open.ts";
import type { Boostable, FunctionLike, KnownParameters, ParametersOf, ResultOf, Sent } from "./task/function-types.ts";
import type { Handle } from "./task/handle.ts";
import type { AnyFunction } from "./wire/signature.ts";

/** What publishes and asks, without the function. */
export interface Publishing<Args extends readonly unknown[], R> {
  readonly queue: string;
  /** To the queue, with the function's own arguments. */
  push(...args: Args): Promise<Handle<R>>;
  /** Many at once, each a list of arguments. */
  pushMany(listOfArgs: readonly Args[]): Promise<Handle<R>[]>;
  /** To the queue, with options for this message. */
  publish(args: Args, options?: PublishOptions): Promise<Handle<R>>;
  /** Many at once, each with its own options. */
  publishMany(items: readonly PublishItem<Args>[]): Promise<Handle<R>[]>;
  /** A body of your own, sent unchanged: text or any JSON value. */
  publishRaw(body: unknown): Promise<Handle<R>>;
  /** Messages that wait or are delayed, not those that run. */
  count(): Promise<number>;
  /** The same in parts; `running` in all processes, where the engine knows. */
  counts(): Promise<Counts>;
  /** Removes what waits and is delayed; who waits for its result is told, with code CLEARED. */
  clear(): Promise<void>;
  /** What waits and runs, what has run, how fast, and when what is ready will be done. */
  info(): Promise<QueueInfo>;
  /** The same over time, a point for each step. Kept for two days. */
  stats(query?: StatsQuery): Promise<StatsPoint[]>;
  /**
   * What this engine, as it is here, does by itself ("native"), what is done around it ("emulated"), and what cannot be
   * had ("no").
   */
  features(): Promise<Support>;
  /** The handle of a task that was published anywhere. */
  handle(id: string): Handle<R>;
}

/** A boosted function. Called plainly it runs here and now, without a queue. */
export interface TaskMembers<Args extends readonly unknown[], R> extends Publishing<Args, R> {
  readonly params: TaskParams;
  /** Starts consuming in this process; resolves when ready. */
  consume(options?: ConsumeOptions): Promise<TaskConsumer>;
  /** Stops the queue in all processes until `resume()`; what runs goes on. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  paused(): Promise<boolean>;
  /**
   * Another limit in every process, at once and from now on, until it is set to null: then the code's own holds again.
   * Kept in the store.
   */
  setQps(qps: Qps | null): Promise<void>;
  /** The same for the runs at once in each process. */
  setConcurrency(concurrency: number | null): Promise<void>;
  /** Resolves when nothing waits, is delayed or runs. */
  waitIdle(options?: WaitIdleOptions): Promise<void>;
  readonly deadLetters: DeadLetters;
  /** Rows of tasks that ended, newest first. Needs `record` on the task. */
  records(query?: RecordsQuery): Promise<TaskRow<R>[]>;
}

export type Task<F> = F & TaskMembers<Sent<ParametersOf<F>>, ResultOf<F>>;

/** Params beside a function. `G` is the function too, of which less may be known when the params are looked at. */
type ParamsBeside<G, B extends BrokerChoice> = TaskParams<KnownParameters<G>, B>;

/**
 * Makes a task of a function. `params.queue` names its queue, `params.broker` the engine that carries it.
 *
 * @example
 * const add = boost({ queue: "add", rpc: true }, (a: number, b: number) => a + b);
 * await add.consume();
 * console.log(await (await add.push(1, 2)).waitResult()); // 3
 * await shutdown();
 */
export function boost<F extends FunctionLike, B extends BrokerChoice = BrokerChoice, G = F>(
  params: ParamsBeside<G, B>,
  fn: F & Boostable<F>,
): Task<F>;
export function boost<B extends BrokerChoice = BrokerChoice>(
  params: ParamsBeside<FunctionLike, B>,
): <F extends FunctionLike>(fn: F & Boostable<F>) => Task<F>;
export function boost(params: TaskParams, ...given: unknown[]): unknown {
  checkParams(params);
  if (given.length === 0) return (later: AnyFunction) => boost(params, later);
  const [fn] = given as [AnyFunction];
  if (typeof fn !== "function") {
    throw new FunboostError(
      "BAD_OPTION",
      `boost() takes the params and a function; the second argument is ${describe(fn)}.`,
      { where: params.queue },
    );
  }
  const definition = define(params, fn);
  const run = (...args: unknown[]) => fn(...args);
  const task = Object.assign(run, publishingMembers(definition), consumingMembers(definition));
  Object.defineProperty(task, "name", { value: fn.name });
  Object.defineProperty(task, "length", { value: fn.length });
  showShort(task, definition, `Task ${fn.name || "(anonymous)"}`);
  definition.task = task;
  register(definition);
  return task;
}

/**
 * The task on this queue and broker if there is one, else a new one: one function on queue names made at run time.
 *
 * @example
 * const task = getOrCreate({ queue: `mail-${tenant}`, broker: "bullmq" }, sendMail);
 */
export function getOrCreate<F extends FunctionLike, B extends BrokerChoice = BrokerChoice, G = F>(
  params: ParamsBeside<G, B>,
  fn: F & Boostable<F>,
): Task<F> {
  checkParams(params);
  const known = definitionOn(params);
  return (known?.task as Task<F> | undefined) ?? (boost(params as TaskParams)<F>(fn) as Task<F>);
}

/** One line of it in `console.log()`, instead of all its members. */
export function showShort(shown: object, definition: Definition, what: string): void {
  const text = () => `[${what}: queue "${definition.params.queue}" on ${nameOfBroker(brokerOf(definition))}]`;
  Object.defineProperty(shown, Symbol.for("nodejs.util.inspect.custom"), { value: text });
}

export function publishingMembers(definition: Definition): Publishing<readonly unknown[], unknown> {
  return {
    queue: definition.params.queue,
    push: (...args) => publishOne(definition, args, undefined),
    pushMany: async (listOfArgs) => publishAll(definition, asItems(definition, listOfArgs)),
    publish: async (args, options) => publishOne(definition, checkedArgs(definition, args), options),
    publishMany: (items) => publishAll(definition, items),
    publishRaw: (body) => publishRaw(definition, body),
    count: async () => {
      const { ready, delayed } = await callQueue(definition, "count");
      return ready + delayed;
    },
    counts: () => callQueue(definition, "count"),
    clear: () => clearQueue(definition),
    info: async () => queueInfo(await openTask(definition)),
    stats: async (query) => queueStats(await openTask(definition), query),
    features: async () => {
      const { native, queue, store } = await openTask(definition);
      return supportOf(native, queue.features, store);
    },
    handle: (id) => new TaskHandle(definition, { id: checkedId(definition, id) }),
  };
}

function consumingMembers(definition: Definition) {
  return {
    params: definition.params,
    consume: (options?: ConsumeOptions) => consume(definition, options),
    pause: () => callQueue(definition, "setPaused", true),
    resume: () => callQueue(definition, "setPaused", false),
    paused: () => callQueue(definition, "paused"),
    setQps: async (qps: Qps | null) => setLiveQps(await openTask(definition), qps),
    setConcurrency: async (n: number | null) => setLiveConcurrency(await openTask(definition), n),
    waitIdle: (options?: WaitIdleOptions) => waitIdle(definition, options),
    deadLetters: deadLettersOf(definition),
    records: async (query?: RecordsQuery) => queryRecords(await openTask(definition), query),
  };
}

function asItems({ params }: Definition, listOfArgs: readonly (readonly unknown[])[]): PublishItem[] {
  if (!Array.isArray(listOfArgs))
    throw new FunboostError("BAD_ARGS", `pushMany() takes a list of argument lists, got ${describe(listOfArgs)}.`, {
      where: params.queue,
    });
  return listOfArgs.map((args) => ({ args }));
}

function checkedArgs({ params }: Definition, args: readonly unknown[]): readonly unknown[] {
  if (!Array.isArray(args))
    throw new FunboostError(
      "BAD_ARGS",
      `publish() takes the arguments as a list, as in publish([1, 2], { delay: "5s" }); got ${describe(args)}.`,
      { where: params.queue },
    );
  return args;
}

function checkedId({ params }: Definition, id: string): string {
  if (typeof id !== "string" || id === "")
    throw new FunboostError("BAD_OPTION", `handle() takes a task id, got ${describe(id)}.`, { where: params.queue });
  return id;
}
