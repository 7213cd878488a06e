/** Options of one message. */

import { type Duration, durationMs, isTimeMs, latestMs } from "../base/duration.ts";
import { describe, FunboostError } from "../base/errors.ts";
import { longestId } from "../base/message-id.ts";
import type { MessageLimits } from "../wire/limits.ts";
import { firstMs, parseTime } from "../wire/time-text.ts";
import { boolean, type Check, checkMembers, duration, isRecord, refuseOption, text, whole } from "./checks.ts";

/**
 * What `publish` takes beside the arguments; it holds for this message only.
 *
 * @example
 * await transcode.publish(["a.mov", 720], { delay: "5m", priority: 10, taskId: "a.mov-720" });
 */
export interface PublishOptions {
  /** The message's id, 1 to 200 characters; a known one is not published again. @default made by the engine */
  taskId?: string;
  /** Run it no earlier than this from now. @default 0 */
  delay?: Duration;
  /**
   * Run it no earlier than this moment: a Date, epoch milliseconds, "2026-11-21 14:07:22" (in the configured zone) or
   * an ISO time. A moment that is over means at once.
   */
  eta?: Date | number | string;
  /**
   * With `delay` or `eta`: dropped as expired when it would start later than this after its time.
   * @default however late
   */
  misfireGrace?: Duration;
  /** -1000 to 1000, bigger is sooner. @default 0 */
  priority?: number;
  /** 0 to 1,000,000. @default the task's */
  maxRetries?: number;
  /** 0: no limit. @default the task's */
  timeout?: Duration;
  /** 0: never. @default the task's */
  expireAfter?: Duration;
  /** Whether the result is kept for a waiter. @default the task's */
  rpc?: boolean;
  /** What makes this message equal to others, for a task with `filter`. 1 to 1,000 characters. @default the task's */
  filterKey?: string;
  /** Texts that travel with the message, read as `fct.headers`. */
  headers?: Readonly<Record<string, string>>;
}

export interface ResolvedPublish {
  readonly id?: string;
  readonly delayMs?: number;
  readonly priority?: number;
  readonly limits?: MessageLimits;
}

const nothing: ResolvedPublish = Object.freeze({});

const checks: Readonly<Record<keyof PublishOptions, Check>> = {
  taskId: text(longestId),
  delay: duration,
  eta: (value, name) => etaMsOf(value, name),
  misfireGrace: duration,
  priority: whole(-1000, 1000),
  maxRetries: whole(0, 1_000_000),
  timeout: duration,
  expireAfter: duration,
  rpc: boolean,
  filterKey: text(1000),
  headers(value, name) {
    if (!isRecord(value)) return refuseOption(name, value, "an object of texts");
    for (const [key, header] of Object.entries(value))
      if (typeof header !== "string") refuseOption(`${name}.${key}`, header, "a text");
  },
};

/** Checks the options of one message; throws BAD_OPTION. */
export function resolvePublish(options: PublishOptions | undefined, nowMs: number): ResolvedPublish {
  if (options === undefined) return nothing;
  checkOptions(options);
  const { taskId, delay, eta, misfireGrace, priority } = options;
  if (delay !== undefined && eta !== undefined)
    throw new FunboostError("BAD_OPTION", '"delay" and "eta" both say when to run. Give one of them.');
  if (misfireGrace !== undefined && delay === undefined && eta === undefined) {
    throw new FunboostError(
      "BAD_OPTION",
      '"misfireGrace" says how late a run may start, and neither "delay" nor "eta" says when. ' +
        'Give one of them, or use "expireAfter".',
    );
  }
  const dueMs =
    eta !== undefined ? etaMsOf(eta, "eta") : delay !== undefined ? nowMs + durationMs(delay, "delay") : nowMs;
  if (delay !== undefined && !isTimeMs(dueMs)) refuseOption("delay", delay, "a time that ends before the year 10000");
  const limits = limitsOf(options, dueMs > nowMs || misfireGrace !== undefined ? dueMs : undefined, dueMs > nowMs);
  return {
    ...(taskId !== undefined ? { id: taskId } : {}),
    ...(dueMs > nowMs ? { delayMs: dueMs - nowMs } : {}),
    ...(priority ? { priority } : {}),
    ...(limits ? { limits } : {}),
  };
}

function checkOptions(options: unknown): void {
  if (!isRecord(options))
    throw new FunboostError(
      "BAD_OPTION",
      `the publish options are ${describe(options)}. Allowed: an object such as { delay: "5m" }.`,
    );
  checkMembers(options, checks);
}

function limitsOf(options: PublishOptions, etaMs: number | undefined, isTimed: boolean): MessageLimits | undefined {
  const { misfireGrace, maxRetries, timeout, expireAfter, rpc, filterKey, headers, taskId } = options;
  const limits: MessageLimits = {
    ...(maxRetries !== undefined ? { maxRetries } : {}),
    ...(timeout !== undefined ? { timeoutMs: durationMs(timeout, "timeout") } : {}),
    ...(expireAfter !== undefined ? { expireAfterMs: durationMs(expireAfter, "expireAfter") } : {}),
    ...(rpc !== undefined ? { rpc } : {}),
    ...(etaMs !== undefined ? { etaMs } : {}), // expiry counts from then
    ...(isTimed ? { isTimed } : {}),
    ...(misfireGrace !== undefined ? { misfireGraceMs: durationMs(misfireGrace, "misfireGrace") } : {}),
    ...(filterKey !== undefined ? { filterKey } : {}),
    ...(headers !== undefined ? { headers } : {}),
    ...(taskId !== undefined ? { givenId: true } : {}),
  };
  for (const _ in limits) return limits;
  return undefined;
}

function etaMsOf(eta: unknown, name: string): number {
  const isSeconds = typeof eta === "number" && eta > 0 && eta < firstMs;
  const ms = eta instanceof Date ? eta.getTime() : isSeconds ? undefined : parseTime(eta);
  if (ms !== undefined && ms <= latestMs) return ms;
  const allowed = 'a Date, epoch milliseconds, "YYYY-MM-DD HH:MM:SS" or an ISO time';
  if (isSeconds) refuseOption(name, eta, `${allowed}; this looks like seconds, so multiply it by 1000`);
  return refuseOption(name, eta, ms === undefined ? allowed : `${allowed}, before the year 10000`);
}
