/** configure(): what holds for every task of the process. */
import type { Store } from "./contract/store.ts";
import { type Duration, durationMs } from "./duration.ts";
import { describe, FunboostError } from "./errors.ts";
import { shared } from "./global.ts";
import type { LogOptions } from "./log.ts";
import { setTimezone } from "./message.ts";
import { checkDefaults, type TaskParams } from "./params.ts";

export interface Configuration {
  /** Options of each broker that a task names by word, such as `{ bullmq: { url } }`. */
  readonly brokers?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Shared state for brokers whose own server cannot hold it. */
  readonly store?: Store;
  /** Task options for every task; a task's own win. */
  readonly defaults?: Partial<Omit<TaskParams, "queue">>;
  readonly log?: LogOptions;
  /** IANA zone of times without one, such as "Europe/Paris". @default the system's */
  readonly timezone?: string;
  /** Finish running tasks at SIGTERM and Ctrl-C. Handlers are installed at the first consume(). @default true */
  readonly signals?: boolean;
  /** How long a task of a dead process stays locked. @default "15s" */
  readonly lease?: Duration;
}

const known = ["brokers", "store", "defaults", "log", "timezone", "signals", "lease"];

/**
 * Sets brokers, store and defaults once, before the first task is used.
 *
 * @example
 * configure({ brokers: { bullmq: { url: process.env.REDIS_URL } }, defaults: { maxRetries: 5 } });
 */
export function configure(configuration: Configuration): void {
  const state = shared();
  if (state.used) {
    throw new FunboostError("CONFIGURED_LATE", "configure() came after the first use of a task. Call it first, before any push or consume.");
  }
  if (typeof configuration !== "object" || configuration === null) {
    throw new FunboostError("BAD_OPTION", `configure() takes an object, got ${describe(configuration)}.`);
  }
  for (const name of Object.keys(configuration)) {
    if (!known.includes(name)) throw new FunboostError("BAD_OPTION", `configure() does not know "${name}". It knows: ${known.join(", ")}.`);
  }
  if (configuration.lease !== undefined && durationMs(configuration.lease, "lease") < 200) {
    throw new FunboostError("BAD_OPTION", `lease must be 200 ms or more, got ${describe(configuration.lease)}.`);
  }
  if (configuration.defaults !== undefined) checkDefaults(configuration.defaults);
  setTimezone(configuration.timezone);
  state.config = configuration;
}

export function leaseMs(): number {
  return durationMs(shared().config.lease ?? "15s", "lease");
}
