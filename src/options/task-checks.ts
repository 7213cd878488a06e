/** What each option of a task may be. */

import { describe, FunboostError } from "../base/errors.ts";
import { type Backoff, parseBackoff } from "./backoff.ts";
import {
  boolean,
  type Check,
  type Checks,
  checkMembers,
  duration,
  durationAboveZero,
  hasHalfPair,
  isBroker,
  isRecord,
  log,
  record,
  refuseOption,
  refuseUnknown,
  text,
  whole,
} from "./checks.ts";
import { checkFilter } from "./filter.ts";
import { checkMiddleware, checkSchema } from "./middleware.ts";
import { isPool } from "./pool.ts";
import { pythonNames } from "./python-names.ts";
import { checkQps } from "./qps.ts";
import { checkRecord } from "./record.ts";
import type { TaskParams } from "./task.ts";

/** Of the option, of consume() and of a live change. */
export const checkConcurrency: Check = whole(1, 100_000);

const most = 1_000_000;
const longestName = 190;

const rpcChecks: Checks = { ttl: durationAboveZero, timeout: durationAboveZero };

const checks: Readonly<Record<keyof TaskParams, Check>> = {
  queue: text(longestName),
  job: text(longestName),
  broker(value, name) {
    if (!isBroker(value) && (typeof value !== "string" || value === ""))
      refuseOption(
        name,
        value,
        'a name such as "memory", "sqlite" or "bullmq", or an instance such as bullmq({ url })',
      );
  },
  brokerOptions: record,
  concurrency: checkConcurrency,
  adopt: boolean,
  pool(value, name) {
    if (!isPool(value)) refuseOption(name, value, "a pool made by concurrencyPool(n)");
  },
  prefetch: whole(0, 100_000),
  qps: checkQps,
  qpsScope(value, name) {
    if (value !== "process" && value !== "global") refuseOption(name, value, '"process" or "global"');
  },
  maxRetries: whole(0, most),
  maxRequeues: whole(0, most),
  backoff: (value) => parseBackoff(value as Backoff),
  deadLetter(value, name) {
    const isName =
      typeof value === "string" && value.trim() !== "" && value.length <= longestName && !hasHalfPair(value);
    if (typeof value !== "boolean" && !isName)
      refuseOption(name, value, `true (<queue>_dlx), a queue's name of 1 to ${longestName} characters, or false`);
  },
  timeout: duration,
  expireAfter: duration,
  filter: checkFilter,
  rpc(value, name) {
    if (isRecord(value)) checkMembers(value, rpcChecks, name);
    else if (typeof value !== "boolean") refuseOption(name, value, 'true, false, or { ttl: "30m", timeout: "30m" }');
  },
  record: checkRecord,
  onRecord(value, name) {
    if (typeof value !== "function") refuseOption(name, value, "a function that takes a row");
  },
  input: checkSchema,
  output: checkSchema,
  use: checkMiddleware,
  usePublish: checkMiddleware,
  errors(value, name) {
    const isClass = (each: unknown) => typeof each === "function" && each.prototype instanceof Error;
    const wrong = Array.isArray(value) ? value.find((each) => !isClass(each)) : value;
    if (!Array.isArray(value) || !value.every(isClass))
      refuseOption(name, wrong, "a list of classes that extend Error");
  },
  params(value, name) {
    const isNames = Array.isArray(value) && value.every((each) => typeof each === "string");
    if (!isNames && value !== "object")
      refuseOption(name, value, 'a list of names such as ["file", "height"], or "object"');
  },
  convert(value, name) {
    if (typeof value !== "function") refuseOption(name, value, "a function from a raw body to the list of arguments");
  },
  log,
  publishTimeout: durationAboveZero,
  maxSuspended: whole(1, most),
  maxCrashes: whole(1, 1000),
};

/** Every option of a task. */
export const optionNames = Object.keys(checks) as readonly (keyof TaskParams)[];

const { queue: _queue, job: _job, adopt: _adopt, ...defaultChecks } = checks;

/** Other code's jobs may be meant for one at a time, and ours is 50. */
export function checkAdoption({ queue, adopt, concurrency }: TaskParams, who = '"adopt: true"'): void {
  if (!adopt || concurrency !== undefined) return;
  const advice = "Give that of the worker which it takes over from; a BullMQ worker that says none runs 1.";
  throw new FunboostError("BAD_OPTION", `${who} needs "concurrency", which is not given. ${advice}`, {
    where: queue,
  });
}

/** Throws BAD_OPTION for all that is wrong in itself; what depends on configuration and engine is resolved later. */
export function checkParams(params: unknown): asserts params is TaskParams {
  if (!isRecord(params))
    throw new FunboostError(
      "BAD_OPTION",
      `the params are ${describe(params)}. Allowed: an object such as { queue: "emails" }.`,
    );
  const { queue } = params;
  if (queue === undefined) {
    const python = Object.keys(params).find((key) => Object.hasOwn(pythonNames, key));
    if (python !== undefined) refuseUnknown(python, python, optionNames);
    throw new FunboostError(
      "BAD_OPTION",
      '"queue" is missing. Give the queue\'s name: boost({ queue: "emails" }, fn).',
    );
  }
  checks.queue(queue, "queue");
  within(queue as string, () => checkMembers(params, checks));
  if (params.deadLetter === queue)
    within(queue as string, () => refuseOption("deadLetter", queue, "another queue than the task's own"));
  checkJob(queue as string, params);
}

/** On BullMQ what has no name bears the queue's. */
function checkJob(queue: string, { job, deadLetter }: { readonly job?: unknown; readonly deadLetter?: unknown }): void {
  if (job !== undefined && job === deadLetter)
    within(queue, () => refuseOption("deadLetter", deadLetter, "another name than the task's job"));
  if (job === queue) within(queue, () => refuseOption("job", job, "another name than the queue's, which means none"));
  if (job === "*")
    within(queue, () => refuseOption("job", job, 'a name. What takes every other name: adopt({ queue }, { "*": fn })'));
}

/** The same for options of some tasks. */
export function checkShared(params: unknown): asserts params is Partial<TaskParams> {
  if (!isRecord(params))
    throw new FunboostError(
      "BAD_OPTION",
      `the shared params are ${describe(params)}. Allowed: an object such as { broker: "bullmq", rpc: true }.`,
    );
  checkMembers(params, checks);
}

/** The same for options of all tasks. */
export function checkDefaults(defaults: unknown): asserts defaults is Partial<TaskParams> {
  if (!isRecord(defaults))
    throw new FunboostError(
      "BAD_OPTION",
      `"defaults" is ${describe(defaults)}. Allowed: an object such as { maxRetries: 5 }.`,
    );
  const own = ["queue", "job", "adopt"].find((name) => name in defaults);
  if (own !== undefined)
    throw new FunboostError("BAD_OPTION", `"${own}" cannot be a default: each task has its own. Give it to boost().`);
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
