/** The public API without the catalog: brokers are passed as instances. For apps that are bundled. */
import type { BrokerName } from "./contract/brokers.ts";
import { allDefinitions, findDefinition } from "./setup/definition.ts";
import { checkDefinitions } from "./setup/open.ts";

export { type Adopted, type AdoptFunction, type AdoptHandler, type AdoptParams, adopt } from "./adopt.ts";
export type { Duration } from "./base/duration.ts";
export type { ErrorClass } from "./base/errors.ts";
export {
  type ErrorCode,
  FunboostError,
  isFunboostError,
  PublishError,
  ResultError,
  TaskError,
  TimeoutError,
  WaitTimeoutError,
} from "./base/errors.ts";
export type { Logger, LogLevel, LogLine, LogOptions, TaskLogger } from "./base/log.ts";
export { boost, getOrCreate, type Task, type TaskMembers } from "./boost.ts";
export type { ConsumeOptions, TaskConsumer } from "./consume/consume.ts";
export { type AllConsuming, consumeAll } from "./consume/consume-all.ts";
export type { ConsumerStatus } from "./consume/consumers.ts";
export { shutdown } from "./consume/shutdown.ts";
export type { FinalStatus, Inspection, RepairedRepeats, Repeat } from "./contract/broker.ts";
export type { BrokerChoice, BrokerName, Brokers, CheckedName } from "./contract/brokers.ts";
export { type DefinitionParams, defineTask, type TaskDefinition } from "./define-task.ts";
export type { Backoff, BackoffFunction } from "./options/backoff.ts";
export type { FilterParams } from "./options/filter.ts";
export type { Middleware, Outgoing, PublishMiddleware, Schema } from "./options/middleware.ts";
export { type ConcurrencyPool, concurrencyPool } from "./options/pool.ts";
export type { PublishOptions } from "./options/publish.ts";
export type { Qps, QpsLimit } from "./options/qps.ts";
export type { OnRecord, RecordParams, TaskRow } from "./options/record.ts";
export type { TaskParams } from "./options/task.ts";
export { taskParams } from "./options/task-params.ts";
export type { ArgsOf, FunctionFor, InputOf, MadeOf, OutputOf, TaskKind } from "./options/task-types.ts";
export type { PublishItem } from "./publish/to-message.ts";
export { type PublisherParams, publisher } from "./publisher.ts";
export type { Publishing } from "./publishing.ts";
export type { DeadLetters } from "./queue/dead-letters.ts";
export type { QueueInfo } from "./queue/info.ts";
export {
  type InspectOptions,
  inspectQueue,
  type QueueInspection,
  type RepairOptions,
  repairRepeats,
} from "./queue/inspect-queue.ts";
export type { StatsPoint, StatsQuery } from "./queue/stats.ts";
export type { RecordsQuery } from "./results/query-records.ts";
export { asCompleted, type Completed, waitAll } from "./results/wait-all.ts";
export type { WaitIdleOptions } from "./results/wait-idle.ts";
export { brokerName, registerBroker, wrapBroker } from "./setup/catalog.ts";
export { type ConfigureOptions as Configuration, configure } from "./setup/configure.ts";
export { queues } from "./setup/definition.ts";
export type { Support } from "./setup/features.ts";
export { storeOf } from "./store-of.ts";
export { fct, type TaskContext } from "./task/context.ts";
export { DeadLetterError, FatalError, RequeueError, RetryError } from "./task/errors.ts";
export type { Boostable, NoTask, ParametersOf, Refused, ResultOf, Sent } from "./task/function-types.ts";
export type { Handle, WaitOptions } from "./task/handle.ts";
export type { JobFacts } from "./task/job-facts.ts";
export type { TaskEvents, TaskListener } from "./task/listeners.ts";
export type { LostRecord, TaskRecord } from "./task/outcome.ts";
export type { TraceHooks } from "./task/trace.ts";
export { type LockOptions, withLock } from "./with-lock.ts";

/**
 * The task on a queue, if this process has defined one; where its queue has several, by its `job`.
 *
 * @example
 * await getTask("thumbnails")?.push("a.png");
 * await getTask("relationship", { job: "follow" })?.push("ada", "bob");
 */
export function getTask(
  queue: string,
  where?: BrokerName | { readonly broker?: BrokerName; readonly job?: string },
): import("./boost.ts").Task<(...args: unknown[]) => unknown> | undefined {
  const { broker, job } = typeof where === "object" ? where : { broker: where, job: undefined };
  return findDefinition(queue, broker, job)?.task as ReturnType<typeof getTask>;
}

/**
 * Connects every defined task and refuses what its broker cannot do, so that it shows at start and not at the first
 * push.
 *
 * @example
 * await checkTasks();
 */
export function checkTasks(): Promise<void> {
  return checkDefinitions(allDefinitions());
}
