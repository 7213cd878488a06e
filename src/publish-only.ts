/** The entry funboost/publisher: the public API of a process that only publishes and waits. It reads no function. */
import { catalog } from "../adapters/catalog.ts";
import { catalog as known } from "./setup/catalog.ts";

// Their names, to types.
export type {} from "../adapters/catalog.ts";
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
export type { Logger, LogLevel, LogLine, LogOptions } from "./base/log.ts";
export { shutdown } from "./consume/shutdown.ts";
export type { FinalStatus } from "./contract/broker.ts";
export type { BrokerChoice, BrokerName, Brokers, CheckedName } from "./contract/brokers.ts";
export { type DefinitionParams, defineTask, type TaskDefinition } from "./define-task.ts";
export type { Backoff, BackoffFunction } from "./options/backoff.ts";
export type { FilterParams } from "./options/filter.ts";
export type { Outgoing, PublishMiddleware, Schema } from "./options/middleware.ts";
export type { PublishOptions } from "./options/publish.ts";
export type { ArgsOf, InputOf, MadeOf, OutputOf, TaskKind } from "./options/task-types.ts";
export type { PublishItem } from "./publish/to-message.ts";
export { type PublisherParams, publisher } from "./publisher.ts";
export type { Publishing } from "./publishing.ts";
export type { QueueInfo } from "./queue/info.ts";
export type { StatsPoint, StatsQuery } from "./queue/stats.ts";
export { asCompleted, type Completed, waitAll } from "./results/wait-all.ts";
export { brokerName, registerBroker, wrapBroker } from "./setup/catalog.ts";
export { type ConfigureOptions as Configuration, configure } from "./setup/configure.ts";
export type { Support } from "./setup/features.ts";
export type { ParametersOf, Refused, ResultOf, Sent } from "./task/function-types.ts";
export type { Handle, WaitOptions } from "./task/handle.ts";
export type { LostRecord, TaskRecord } from "./task/outcome.ts";
export type { TraceHooks } from "./task/trace.ts";

known().brokers = { ...catalog, ...known().brokers };
