/** When to run again after a failure. Pure. */
import { type Duration, durationMs } from "../base/duration.ts";
import { describe, FunboostError } from "../base/errors.ts";

/**
 * How long to wait before each retry.
 *
 * @example
 * const backoff: Backoff = { type: "exponential", base: "2s", factor: 3, cap: "10m" };
 */
export interface Backoff {
  /** "exponential": each wait is `factor` times the one before; "fixed": all are `base`. Default "exponential". */
  type?: "fixed" | "exponential";
  /** The first wait. Default "1s". */
  base?: Duration;
  /** 1 to 1000. Default 2. */
  factor?: number;
  /** No wait is longer. Default "1m", or `base` where that is longer. */
  cap?: Duration;
  /**
   * "full" (true): anywhere between 0 and the wait, so that failures of one moment do not come back together. Default
   * "full", for "fixed" "none".
   */
  jitter?: "full" | "none" | boolean;
}

/**
 * The wait before each retry, by a function of your own: `attempt` is 1 after the first run, `error` what it threw.
 * False: no other run.
 *
 * @example
 * const backoff: BackoffFunction = ({ attempt, error }) => error.name === "QuotaError" ? "1h" : attempt * 1000;
 */
export type BackoffFunction = (failure: { readonly attempt: number; readonly error: Error }) => Duration | false;

/** The same, in milliseconds, whatever it answers. */
export type BackoffCall = (failure: { readonly attempt: number; readonly error: Error }) => number | false;

export interface BackoffPlan {
  readonly type: "fixed" | "exponential";
  readonly baseMs: number;
  readonly factor: number;
  readonly capMs: number;
  readonly jitter: boolean;
}

const defaultBaseMs = 1000;
const defaultFactor = 2;
const defaultCapMs = 60_000;
const shape =
  '{ type: "fixed" | "exponential", base, factor, cap, jitter }, or a time such as 500, "1s" (0: at once), ' +
  "or a function that answers one, or false";
const members: readonly string[] = ["type", "base", "factor", "cap", "jitter"] satisfies (keyof Backoff)[];

/** The plan that an option asks for; a time is a fixed wait without jitter. */
export function parseBackoff(value: Backoff | Duration | BackoffFunction | undefined): BackoffPlan | BackoffCall {
  return typeof value === "function" ? callOf(value) : planOf(value);
}

/** Throws what it throws, and for an answer that is no time. */
function callOf(given: BackoffFunction): BackoffCall {
  return (failure) => {
    const wait: unknown = given(failure);
    return wait === false ? false : durationMs(wait as Duration, "backoff()");
  };
}

/** A plan; undefined is the default one. */
export function planOf(value: Backoff | Duration | undefined): BackoffPlan {
  if (typeof value === "number" || typeof value === "string") {
    const baseMs = durationMs(value, "backoff");
    return { type: "fixed", baseMs, factor: 1, capMs: baseMs, jitter: false };
  }
  const options = value === undefined ? {} : value;
  checkShape(options);
  const type = options.type ?? "exponential";
  const baseMs = options.base === undefined ? defaultBaseMs : durationMs(options.base, "backoff.base");
  const capMs = options.cap === undefined ? Math.max(defaultCapMs, baseMs) : durationMs(options.cap, "backoff.cap");
  if (capMs < baseMs) refuse("backoff.cap", options.cap, `at least "base", which is ${baseMs} ms`);
  return {
    type,
    baseMs,
    factor: type === "fixed" ? 1 : (options.factor ?? defaultFactor),
    capMs,
    jitter: wantsJitter(options.jitter, type),
  };
}

/** The wait after run number `attempt` (1 is the first run). Never overflows. */
export function backoffMs(plan: BackoffPlan, attempt: number, random: () => number = Math.random): number {
  if (plan.baseMs === 0) return 0; // 0 times an infinite power would be NaN
  const wait =
    plan.type === "fixed" ? plan.baseMs : Math.min(plan.capMs, plan.baseMs * plan.factor ** Math.max(0, attempt - 1));
  return Math.round(plan.jitter ? wait * random() : wait);
}

function checkShape(options: Backoff): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) refuse("backoff", options, shape);
  for (const key of Object.keys(options))
    if (!members.includes(key)) refuse("backoff", key, shape, "has the unknown member");
  const { type, factor, jitter } = options;
  if (type !== undefined && type !== "fixed" && type !== "exponential")
    refuse("backoff.type", type, '"fixed" or "exponential"');
  if (factor !== undefined && !(typeof factor === "number" && factor >= 1 && factor <= 1000))
    refuse("backoff.factor", factor, "a number from 1 to 1000");
  if (jitter !== undefined && typeof jitter !== "boolean" && jitter !== "full" && jitter !== "none")
    refuse("backoff.jitter", jitter, '"full", "none", true or false');
}

function wantsJitter(jitter: Backoff["jitter"], type: "fixed" | "exponential"): boolean {
  return jitter === undefined ? type === "exponential" : jitter === true || jitter === "full";
}

function refuse(name: string, value: unknown, allowed: string, verb = "is"): never {
  throw new FunboostError("BAD_OPTION", `"${name}" ${verb} ${describe(value)}. Allowed: ${allowed}.`);
}
