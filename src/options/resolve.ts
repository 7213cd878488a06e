/** Params in force: those of the task over those of all tasks over our defaults, times in milliseconds. */
import { type Duration, durationMs } from "../base/duration.ts";
import type { LogOptions } from "../base/log.ts";
import { parseBackoff } from "./backoff.ts";
import { resolveFilter } from "./filter.ts";
import type { PoolSlots } from "./pool.ts";
import { limitsOf } from "./qps.ts";
import { resolveRecord } from "./record.ts";
import type { Options, TaskParams } from "./task.ts";

/** The one place of defaults. */
export const paramDefaults = {
  broker: "sqlite",
  brokerOptions: {},
  concurrency: 50,
  concurrencyWithQps: 500,
  maxRetries: 3,
  maxRequeues: 100,
  rpc: { ttl: "30m", timeout: "30m" },
  publishTimeout: "10s",
  maxSuspended: 1000,
  maxCrashes: 5,
} as const;

/** Both must have been checked. What is read for each message must be quick to read. */
export function resolveOptions(params: TaskParams, defaults: Partial<TaskParams>): Options {
  const given: TaskParams = { ...withoutUndefined(defaults), ...withoutUndefined(params), queue: params.queue };
  return {
    queue: given.queue,
    broker: given.broker ?? paramDefaults.broker,
    brokerOptions: given.brokerOptions ?? paramDefaults.brokerOptions,
    concurrency: concurrencyOf(given),
    adopt: given.adopt ?? false,
    pool: given.pool as PoolSlots | undefined,
    prefetch: given.prefetch,
    limits: limitsOf(given.qps),
    qpsScope: given.qpsScope ?? "process",
    maxRetries: given.maxRetries ?? paramDefaults.maxRetries,
    maxRequeues: given.maxRequeues ?? paramDefaults.maxRequeues,
    backoff: parseBackoff(given.backoff),
    deadLetter: deadLetterOf(given),
    timeoutMs: limitMs(given.timeout, "timeout"),
    expireAfterMs: limitMs(given.expireAfter, "expireAfter"),
    filter: resolveFilter(given.filter),
    rpc: resolveRpc(given.rpc),
    record: resolveRecord(given.record),
    publishTimeoutMs: durationMs(given.publishTimeout ?? paramDefaults.publishTimeout, "publishTimeout"),
    maxSuspended: given.maxSuspended ?? paramDefaults.maxSuspended,
    maxCrashes: given.maxCrashes ?? paramDefaults.maxCrashes,
    log: resolveLog(params.log, defaults.log),
    ...codeOf(given),
  };
}

/** What is code of the user's own. */
function codeOf({ onRecord, input, output, use = [], usePublish = [], errors = [], convert }: TaskParams) {
  return { onRecord, input, output, use, usePublish, errors, convert };
}

/** A task's own members win over those of the defaults. */
export function resolveLog(own: TaskParams["log"], shared?: TaskParams["log"]): LogOptions | undefined {
  const options = (log: TaskParams["log"]): LogOptions | undefined =>
    log === false ? { level: "silent" } : typeof log === "string" ? { level: log } : log;
  return own === undefined ? options(shared) : { ...options(shared), ...options(own) };
}

/** A limited rate takes as many at once as it needs. */
function concurrencyOf({ concurrency, qps }: TaskParams): number {
  return concurrency ?? (qps === undefined ? paramDefaults.concurrency : paramDefaults.concurrencyWithQps);
}

/**
 * A default may name one dead-letter queue for all tasks: the task on that queue itself has none, or it would feed
 * itself.
 */
function deadLetterOf({ queue, deadLetter }: TaskParams): string | undefined {
  const name = deadLetter === true ? `${queue}_dlx` : deadLetter || undefined;
  return name === queue ? undefined : name;
}

/** Without members that are undefined: these would hide a default. */
function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

function limitMs(value: Duration | undefined, name: string): number | undefined {
  return value === undefined ? undefined : durationMs(value, name) || undefined;
}

function resolveRpc(rpc: TaskParams["rpc"]): Options["rpc"] {
  if (!rpc) return undefined;
  const { ttl, timeout } = { ...paramDefaults.rpc, ...(rpc === true ? {} : withoutUndefined(rpc)) };
  return { ttlMs: durationMs(ttl, "rpc.ttl"), timeoutMs: durationMs(timeout, "rpc.timeout") };
}
