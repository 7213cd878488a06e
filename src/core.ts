/** The public API without the catalog: brokers are passed as instances. For apps that are bundled. */
import { allDefinitions, findDefinition } from "./definition.ts";
import { checkDefinitions } from "./runtime.ts";

export { boost, getOrCreate, type Publishing, type Task, type TaskMembers } from "./boost.ts";
export { registerBroker, wrapBroker } from "./brokers.ts";
export { type ConfigureOptions as Configuration, configure } from "./config.ts";
export type { ConsumeOptions, ConsumerStatus, TaskConsumer } from "./consume.ts";
export { type AllConsuming, consumeAll, queues } from "./consume-all.ts";
export { fct, type TaskContext } from "./context.ts";
export type { DeadLetters } from "./dead-letter.ts";
export type { Duration } from "./duration.ts";
export {
  type ErrorCode,
  type FinalStatus,
  FunboostError,
  isFunboostError,
  PublishError,
  ResultError,
  TaskError,
  TimeoutError,
  WaitTimeoutError,
} from "./errors.ts";
export type { Support } from "./features.ts";
export type { Handle, WaitOptions } from "./handle.ts";
export type { WaitIdleOptions } from "./idle.ts";
export type { QueueInfo } from "./info.ts";
export { type LockOptions, withLock } from "./lock.ts";
export type { Logger, LogLevel, LogLine, LogOptions } from "./log.ts";
export type { Middleware, Outgoing, PublishMiddleware, Schema } from "./middleware.ts";
export type { TaskRecord } from "./outcome.ts";
export type { PublishOptions, TaskParams } from "./params.ts";
export { type ConcurrencyPool, concurrencyPool } from "./pool.ts";
export type { PublishItem } from "./publish.ts";
export { type PublisherParams, publisher } from "./publisher.ts";
export type { Qps, QpsLimit } from "./qps.ts";
export type { OnRecord, RecordParams, RecordsQuery, TaskRow } from "./records.ts";
export { shutdown } from "./shutdown.ts";
export type { StatsPoint, StatsQuery } from "./stats.ts";
export { DeadLetterError, FatalError, RequeueError, RetryError } from "./task-errors.ts";
export type { TraceHooks } from "./trace.ts";
export { asCompleted, type Completed, waitAll } from "./wait-all.ts";

/**
 * The task on a queue, if this process has defined one.
 *
 * @example
 * await getTask("thumbnails")?.push("a.png");
 */
export function getTask(queue: string, broker?: string): import("./boost.ts").Task<(...args: unknown[]) => unknown> | undefined {
  return findDefinition(queue, broker)?.task as ReturnType<typeof getTask>;
}

/**
 * Connects every defined task and refuses what its broker cannot do, so that it shows at start and not at the first push.
 *
 * @example
 * await checkTasks();
 */
export function checkTasks(): Promise<void> {
  return checkDefinitions(allDefinitions());
}
