/** The limits that one message may carry in its `extra`, in the units of the wire and in ours. */

import { isTimeMs, latestMs } from "../base/duration.ts";
import { describe, FunboostError } from "../base/errors.ts";
import type { JsonObject } from "../contract/index.ts";
import { parseTime } from "./time-text.ts";

/** The keys that are known. Others are kept as they are. */
export interface Extra {
  readonly task_id?: string;
  /** Epoch seconds. */
  readonly publish_time?: number;
  readonly publish_time_format?: string;
  /** The names of the arguments by position. */
  readonly order?: readonly string[];
  readonly max_retry_times?: number;
  /** Seconds. */
  readonly function_timeout?: number;
  readonly msg_expire_seconds?: number;
  readonly is_using_rpc_mode?: boolean;
  readonly filter_str?: string;
  /** Seconds. */
  readonly misfire_grace_time?: number;
  readonly eta?: string;
  /** Seconds after `publish_time`. */
  readonly countdown?: number;
  readonly other_extra_params?: {
    readonly priority?: number;
    readonly priroty?: number;
    readonly [key: string]: unknown;
  };
  readonly headers?: Readonly<Record<string, string>>;
  readonly ahead?: boolean;
  readonly priority?: number;
  readonly _advanced_retry_count?: number;
  /** Python's: names of arguments that are pickles. */
  readonly can_not_json_serializable_keys?: readonly string[];
  readonly [key: string]: unknown;
}

/** What a caller set for one message. */
export interface MessageLimits {
  readonly maxRetries?: number;
  /** 0: none for this message. */
  readonly timeoutMs?: number;
  /** 0: never. */
  readonly expireAfterMs?: number;
  readonly rpc?: boolean;
  readonly filterKey?: string;
  /** When it was to run, in epoch milliseconds. */
  readonly etaMs?: number;
  /** The engine or a timer keeps that time: whoever runs it does not look at a clock again. */
  readonly isTimed?: boolean;
  readonly misfireGraceMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** It was redriven: the dead letter that it was. */
  readonly deadLetter?: string;
  /** Its id is its caller's, and stays known when it is over. */
  readonly givenId?: boolean;
}

export const noExtra: Extra = Object.freeze({});
export const noLimits: MessageLimits = Object.freeze({});

export function writeLimits(limits: MessageLimits): JsonObject {
  const extra: JsonObject = {};
  if (limits.maxRetries !== undefined) extra.max_retry_times = limits.maxRetries;
  if (limits.timeoutMs !== undefined) extra.function_timeout = limits.timeoutMs / 1000;
  if (limits.expireAfterMs !== undefined) extra.msg_expire_seconds = limits.expireAfterMs / 1000;
  if (limits.rpc !== undefined) extra.is_using_rpc_mode = limits.rpc;
  if (limits.filterKey !== undefined) extra.filter_str = limits.filterKey;
  if (limits.etaMs !== undefined) extra.eta = new Date(limits.etaMs).toISOString();
  if (limits.isTimed) extra.is_timed = true;
  if (limits.misfireGraceMs !== undefined) extra.misfire_grace_time = limits.misfireGraceMs / 1000;
  if (limits.headers !== undefined) extra.headers = { ...limits.headers };
  if (limits.givenId) extra.given_id = true;
  return extra;
}

type Writable = { -readonly [Key in keyof MessageLimits]: MessageLimits[Key] };
type Reader = (limits: Writable, value: unknown, key: string) => void;

const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ["max_retry_times", (limits, value, key) => (limits.maxRetries = wholeNumber(value, key))],
  ["function_timeout", (limits, value, key) => (limits.timeoutMs = secondsToMs(value, key))],
  ["msg_expire_seconds", (limits, value, key) => (limits.expireAfterMs = secondsToMs(value, key))],
  ["misfire_grace_time", (limits, value, key) => (limits.misfireGraceMs = secondsToMs(value, key))],
  [
    "is_using_rpc_mode",
    (limits, value, key) => (limits.rpc = typeof value === "boolean" ? value : refuse(key, value, "true or false")),
  ],
  [
    "filter_str",
    (limits, value, key) => (limits.filterKey = typeof value === "string" ? value : refuse(key, value, "a text")),
  ],
  ["eta", (limits, value, key) => (limits.etaMs = momentOf(value, key))],
  [
    "dead_letter",
    (limits, value, key) => (limits.deadLetter = typeof value === "string" ? value : refuse(key, value, "a text")),
  ],
  [
    "given_id",
    (limits, value, key) => (limits.givenId = typeof value === "boolean" ? value : refuse(key, value, "true or false")),
  ],
  [
    "is_timed",
    (limits, value, key) => (limits.isTimed = typeof value === "boolean" ? value : refuse(key, value, "true or false")),
  ],
  ["headers", (limits, value, key) => (limits.headers = headersOf(value, key))],
]);

/**
 * What an `extra` says, Python's keys and ours. `null` says nothing. Throws BAD_MESSAGE for what cannot be understood.
 */
export function readLimits(extra: Extra | undefined, publishedAtMs: number | undefined): MessageLimits {
  if (!extra) return noLimits;
  const limits: Writable = {};
  for (const key in extra) {
    const value = extra[key];
    const reader = value === null || value === undefined ? undefined : readers.get(key);
    if (reader) reader(limits, value, key);
  }
  readCountdown(limits, extra, publishedAtMs);
  return limits;
}

/** An eta wins over a countdown, as in Python. */
function readCountdown(limits: Writable, extra: Extra, publishedAtMs: number | undefined): void {
  const { publish_time: published, countdown } = extra;
  const from = isGiven(published) ? secondsToMs(published, "publish_time") : publishedAtMs;
  if (!isGiven(countdown)) return;
  const etaMs = secondsToMs(countdown, "countdown") + Math.round(from ?? 0);
  if (!isTimeMs(etaMs)) refuse("countdown", countdown, "seconds from 0 to the end of the year 9999");
  if (from !== undefined) limits.etaMs ??= etaMs;
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function wholeNumber(value: unknown, key: string): number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0
    ? value
    : refuse(key, value, "a whole number from 0");
}

function secondsToMs(value: unknown, key: string): number {
  return typeof value === "number" && isTimeMs(value * 1000)
    ? Math.round(value * 1000)
    : refuse(key, value, "seconds from 0 to the end of the year 9999");
}

function momentOf(value: unknown, key: string): number {
  const ms = parseTime(value);
  return ms !== undefined && ms <= latestMs
    ? ms
    : refuse(key, value, '"YYYY-MM-DD HH:MM:SS", an ISO time, or epoch seconds, before the year 10000');
}

function headersOf(value: unknown, key: string): Readonly<Record<string, string>> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return refuse(key, value, "an object of texts");
  return { ...(value as Readonly<Record<string, string>>) }; // a run may change what it is shown
}

function refuse(key: string, value: unknown, needed: string): never {
  throw new FunboostError("BAD_MESSAGE", `extra.${key} is ${describe(value)}. Needed: ${needed}.`);
}
