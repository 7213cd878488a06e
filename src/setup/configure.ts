/** configure(): what holds for every task of the process. */

import { type Duration, durationMs } from "../base/duration.ts";
import { describe, FunboostError } from "../base/errors.ts";
import { lifetime } from "../base/lifetime.ts";
import type { LogLevel, LogOptions } from "../base/log.ts";
import { processWide } from "../base/process-wide.ts";
import type { OptionsByBroker } from "../contract/brokers.ts";
import type { Store } from "../contract/store.ts";
import { boolean, type Check, checkMembers, isRecord, log, refuseOption } from "../options/checks.ts";
import { resolveLog } from "../options/resolve.ts";
import type { TaskParams } from "../options/task.ts";
import { checkDefaults } from "../options/task-checks.ts";
import { checkFormat } from "../store/format.ts";
import { setTraceHooks, type TraceHooks } from "../task/trace.ts";
import { setTimezone } from "../wire/time-text.ts";
import { catalog } from "./catalog.ts";

/** What is in force. */
export interface Configuration {
  /** Options of each broker that a task names by word, such as `{ bullmq: { url } }`. */
  readonly brokers?: OptionsByBroker;
  /** Shared state for brokers whose own server cannot hold it. */
  readonly store?: Store;
  /** Task options for every task; a task's own win. */
  readonly defaults?: Partial<Omit<TaskParams, "queue">>;
  readonly log?: LogOptions;
  /** IANA zone of times without one, such as "Europe/Paris". @default the system's */
  readonly timezone?: string;
  /** Finish running tasks at SIGTERM and Ctrl-C. Handlers are installed at the first consume(). @default true */
  readonly signals?: boolean;
  /** How traces go from publisher to run. @default `traceparent` goes on from a task to its children */
  readonly trace?: TraceHooks;
  /** How long a task of a dead process stays locked. @default "15s" */
  readonly lease?: Duration;
}

/** What configure() takes. */
export interface ConfigureOptions extends Omit<Configuration, "log"> {
  /** Level, options, or false for silence. @default "info", to stderr */
  readonly log?: LogOptions | LogLevel | false;
}

const configurationState = processWide("configuration", (): { configuration: Configuration } => ({
  configuration: {},
}));

/** What is in force. */
export function configuration(): Configuration {
  return configurationState().configuration;
}

const storeFunctions = [
  "get set delete increment reserve lease release expire notify subscribe close",
  "timers.add timers.lease timers.ack timers.remove timers.read timers.count timers.clear",
  "map.put map.get map.read map.remove index.put index.remove index.read index.count",
  "list.append list.read results.put results.get results.delete results.wait",
].flatMap((names) => names.split(" "));

const checks: Readonly<Record<keyof ConfigureOptions, Check>> = {
  brokers(value, name) {
    if (!isRecord(value)) refuseOption(name, value, "an object such as { bullmq: { url } }");
    const known = Object.keys(catalog().brokers);
    // Without a catalog no broker is named by word, and these options are for nobody.
    const names = known.length > 0 ? known : Object.keys(value);
    checkMembers(value, Object.fromEntries(names.map((each) => [each, brokerOptions])), name);
  },
  store(value, name) {
    checkFormat(value);
    const missing = storeFunctions.filter((path) => typeof member(value, path) !== "function");
    const lacks = isRecord(value) ? `; it lacks ${missing.join(", ")}` : "";
    if (missing.length > 0)
      refuseOption(name, value, `a store such as redisStore({ url }) of "funboost/stores/redis"${lacks}`);
  },
  defaults: checkDefaults,
  log,
  timezone() {}, // setTimezone() does
  signals: boolean,
  trace(value, name) {
    const isHook = (each: unknown) => each === undefined || typeof each === "function";
    if (!isRecord(value) || !isHook(value.inject) || !isHook(value.run))
      refuseOption(name, value, "an object with the functions inject() and run(headers, work)");
  },
  lease(value, name) {
    if (durationMs(value as Duration, name) < 200)
      throw new FunboostError("BAD_OPTION", `lease must be 200 ms or more, got ${describe(value)}.`);
  },
};

function brokerOptions(value: unknown, name: string): void {
  if (!isRecord(value)) refuseOption(name, value, "an object with options of this broker, such as { url }");
}

function member(value: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((inner, key) => (isRecord(inner) ? inner[key] : undefined), value);
}

/**
 * Sets brokers, store and defaults once, before the first task is used.
 *
 * @example
 * configure({ brokers: { bullmq: { url: process.env.REDIS_URL } }, defaults: { maxRetries: 5 }, log: "warn" });
 */
export function configure(given: ConfigureOptions): void {
  if (lifetime().used) {
    throw new FunboostError(
      "CONFIGURED_LATE",
      "configure() came after the first use of a task. Call it first, before any push or consume.",
    );
  }
  if (!isRecord(given as unknown))
    throw new FunboostError("BAD_OPTION", `configure() takes an object, got ${describe(given)}.`);
  checkMembers({ ...given }, checks);
  setTimezone(given.timezone);
  setTraceHooks(given.trace);
  const { log: lines, ...rest } = given;
  const logOptions = resolveLog(lines);
  configurationState().configuration = logOptions ? { ...rest, log: logOptions } : rest;
}

export function leaseMs(): number {
  return durationMs(configuration().lease ?? "15s", "lease");
}
