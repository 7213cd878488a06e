/** The publishing half of a task: what boost() and publisher() both answer. */
import { describe, FunboostError } from "./base/errors.ts";
import type { Counts, FinalStatus, MessageState } from "./contract/broker.ts";
import type { PublishOptions } from "./options/publish.ts";
import { publishAll, publishOne, publishRaw } from "./publish/publish.ts";
import type { PublishItem } from "./publish/to-message.ts";
import { callQueue } from "./queue/call-queue.ts";
import { clearQueue } from "./queue/clear-queue.ts";
import { type QueueInfo, queueInfo } from "./queue/info.ts";
import { queueStats, type StatsPoint, type StatsQuery } from "./queue/stats.ts";
import { cancelTasks } from "./results/cancel-tasks.ts";
import { TaskHandle } from "./results/handle.ts";
import { statesOf } from "./results/read-outcome.ts";
import { brokerOf, nameOfBroker, titleOf } from "./setup/definition.ts";
import { type Support, supportOf } from "./setup/features.ts";
import type { Definition } from "./setup/model.ts";
import { openTask } from "./setup/open.ts";
import type { Handle } from "./task/handle.ts";

/** What publishes and asks, without the function. */
export interface Publishing<Args extends readonly unknown[], R> {
  readonly queue: string;
  /** Its name on the queue; undefined where it is the only task. */
  readonly job: string | undefined;
  /** To the queue, with the function's own arguments. */
  push(...args: Args): Promise<Handle<R, Args>>;
  /** Many at once, each a list of arguments. */
  pushMany(listOfArgs: readonly Args[]): Promise<Handle<R, Args>[]>;
  /** To the queue, with options for this message. */
  publish(args: Args, options?: PublishOptions): Promise<Handle<R, Args>>;
  /** Many at once, each with its own options. */
  publishMany(items: readonly PublishItem<Args>[]): Promise<Handle<R, Args>[]>;
  /** A body of your own, sent unchanged: text or any JSON value. */
  publishRaw(body: unknown): Promise<Handle<R, Args>>;
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
  handle(id: string): Handle<R, Args>;
  /**
   * `handle.state()` of many, in their order: the store is asked once for all, the engine within one tick.
   *
   * @example
   * const states = await task.states(orders.map(({ id }) => id)); // ["done", "waiting", "running", ...]
   */
  states(ids: readonly string[]): Promise<(MessageState | FinalStatus)[]>;
  /**
   * `handle.cancel()` of many: for each, in their order, whether it is cancelled or told to end. False: it was over, or
   * is not known.
   */
  cancelMany(ids: readonly string[]): Promise<boolean[]>;
}

/** One line of it in `console.log()`, instead of all its members. */
export function showShort(shown: object, definition: Definition, what: string): void {
  const text = () => `[${what}: ${titleOf(definition.params)} on ${nameOfBroker(brokerOf(definition))}]`;
  Object.defineProperty(shown, Symbol.for("nodejs.util.inspect.custom"), { value: text });
}

export function publishingMembers(definition: Definition): Publishing<readonly unknown[], unknown> {
  return {
    queue: definition.params.queue,
    job: definition.params.job,
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
    handle: (id) => new TaskHandle(definition, { id: checkedId(definition, id, "handle()") }),
    states: async (ids) => {
      const states = await statesOf(await openTask(definition), checkedIds(definition, ids, "states()"));
      return states.map((state) => state ?? "unknown");
    },
    cancelMany: async (ids) => cancelTasks(await openTask(definition), checkedIds(definition, ids, "cancelMany()")),
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

function checkedId({ params }: Definition, id: string, call: string): string {
  if (typeof id !== "string" || id === "")
    throw new FunboostError("BAD_OPTION", `${call} takes a task id, got ${describe(id)}.`, { where: params.queue });
  return id;
}

function checkedIds(definition: Definition, ids: readonly string[], call: string): readonly string[] {
  const { queue } = definition.params;
  if (!Array.isArray(ids))
    throw new FunboostError("BAD_OPTION", `${call} takes a list of task ids, got ${describe(ids)}.`, { where: queue });
  return ids.map((id: string) => checkedId(definition, id, `${call}, in its list,`));
}
