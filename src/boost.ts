/** boost(params, fn): a function becomes a task. Opens nothing, reads no environment and no configuration. */

import { describe, FunboostError } from "./base/errors.ts";
import { type ConsumeOptions, consume, type TaskConsumer } from "./consume/consume.ts";
import type { BrokerChoice } from "./contract/brokers.ts";
import type { Schema } from "./options/middleware.ts";
import type { Qps } from "./options/qps.ts";
import type { TaskRow } from "./options/record.ts";
import type { TaskParams } from "./options/task.ts";
import { checkAdoption, checkParams } from "./options/task-checks.ts";
import type { CallbackArgs, FunctionFor, KeptResult, SentArgs, TaskKind } from "./options/task-types.ts";
import { type Publishing, publishingMembers, showShort } from "./publishing.ts";
import { callQueue } from "./queue/call-queue.ts";
import { type DeadLetters, deadLettersOf } from "./queue/dead-letters.ts";
import { setLiveConcurrency, setLiveQps } from "./queue/live-limits.ts";
import { queryRecords, type RecordsQuery } from "./results/query-records.ts";
import { type WaitIdleOptions, waitIdle } from "./results/wait-idle.ts";
import { definitionOn, register } from "./setup/definition.ts";
import { defineFunction } from "./setup/function-definition.ts";
import type { Definition } from "./setup/model.ts";
import { openTask } from "./setup/open.ts";
import type { Boostable, FunctionLike, ParametersOf, ResultOf, Sent } from "./task/function-types.ts";
import { type TaskEvents, type TaskListener, taskEvents } from "./task/listeners.ts";
import type { AnyFunction } from "./wire/signature.ts";

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
  /**
   * Calls `listener` for what becomes of the runs of this task in this process, when what is kept of it is kept and
   * before it is acknowledged: after a crash an end may be told twice. What a listener throws is logged. Answers what
   * takes the listener away.
   *
   * @example
   * const stop = task.on("failed", ({ id, error }) => alerts.send(`task ${id}: ${error?.message}`));
   */
  on<E extends keyof TaskEvents>(event: E, listener: TaskListener<E, R>): () => void;
  readonly deadLetters: DeadLetters;
  /** Rows of tasks that ended, newest first. Needs `record` on the task. */
  records(query?: RecordsQuery): Promise<TaskRow<R>[]>;
}

/** What boost() answers: the function, and what publishes, consumes and asks. `Args` is what `push` takes. */
export type Task<F, Args extends readonly unknown[] = Sent<ParametersOf<F>>, R = ResultOf<F>> = F &
  TaskMembers<Args, R>;

/** Params beside a function. `G` is the function too, of which less may be known when the params are looked at. */
interface ParamsBeside<G, B extends BrokerChoice, S extends Schema, K extends TaskKind>
  extends TaskParams<CallbackArgs<G, NoInfer<S>, NoInfer<K>>, B, S> {
  /** Of a definition that was spread into them, for the compiler only. */
  "~task"?: K;
}

/**
 * Makes a task of a function. `params.queue` names its queue, `params.broker` the engine that carries it.
 *
 * @example
 * const add = boost({ queue: "add", rpc: true }, (a: number, b: number) => a + b);
 * await add.consume();
 * console.log(await (await add.push(1, 2)).waitResult()); // 3
 * await shutdown();
 */
export function boost<
  F extends FunctionFor<S, K>,
  B extends BrokerChoice = BrokerChoice,
  G = F,
  S extends Schema = Schema,
  K extends TaskKind = TaskKind,
>(params: ParamsBeside<G, B, S, K>, fn: F & Boostable<F>): Task<F, SentArgs<F, S, K>, KeptResult<F, K>>;
export function boost<B extends BrokerChoice = BrokerChoice, S extends Schema = Schema, K extends TaskKind = TaskKind>(
  params: ParamsBeside<FunctionLike, B, S, K>,
): <F extends FunctionFor<S, K>>(fn: F & Boostable<F>) => Task<F, SentArgs<F, S, K>, KeptResult<F, K>>;
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
  checkAdoption(params);
  const definition = defineFunction(params, fn);
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
export function getOrCreate<
  F extends FunctionFor<S, K>,
  B extends BrokerChoice = BrokerChoice,
  G = F,
  S extends Schema = Schema,
  K extends TaskKind = TaskKind,
>(params: ParamsBeside<G, B, S, K>, fn: F & Boostable<F>): Task<F, SentArgs<F, S, K>, KeptResult<F, K>> {
  checkParams(params);
  const known = definitionOn(params);
  return (known?.task ?? boost(params as TaskParams)(fn as AnyFunction)) as Task<
    F,
    SentArgs<F, S, K>,
    KeptResult<F, K>
  >;
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
    on: (event: keyof TaskEvents, listener: TaskListener<keyof TaskEvents>) => listen(definition, event, listener),
    deadLetters: deadLettersOf(definition),
    records: async (query?: RecordsQuery) => queryRecords(await openTask(definition), query),
  };
}

function listen(
  { listeners, params }: Definition,
  event: keyof TaskEvents,
  listener: TaskListener<keyof TaskEvents>,
): () => void {
  const where = params.queue;
  if (!taskEvents.includes(event))
    throw new FunboostError(
      "BAD_OPTION",
      `on() takes ${taskEvents.map(describe).join(", ")}; got ${describe(event)}.`,
      { where },
    );
  if (typeof listener !== "function")
    throw new FunboostError("BAD_OPTION", `on("${event}") takes a function, got ${describe(listener)}.`, { where });
  return listeners.add(event, listener);
}
