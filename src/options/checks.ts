/** Checks of option objects: unknown names get the nearest known one, bad values get what is allowed. */
import { type Duration, durationMs } from "../base/duration.ts";
import { describe, FunboostError } from "../base/errors.ts";
import type { LogLevel } from "../base/log.ts";
import type { Broker } from "../contract/broker.ts";
import { nearest } from "./nearest.ts";
import { pythonNames } from "./python-names.ts";

/** Throws BAD_OPTION when `value` does not do for the option `name`. */
export type Check = (value: unknown, name: string) => void;
export type Checks = Readonly<Record<string, Check>>;

export function refuseOption(name: string, value: unknown, allowed: string): never {
  throw new FunboostError("BAD_OPTION", `"${name}" is ${describe(value)}. Allowed: ${allowed}.`);
}

export const boolean: Check = (value, name) => {
  if (typeof value !== "boolean") refuseOption(name, value, "true or false");
};

export function whole(least: number, most: number): Check {
  return (value, name) => {
    if (!Number.isInteger(value) || (value as number) < least || (value as number) > most)
      refuseOption(name, value, `a whole number from ${least} to ${most}`);
  };
}

export function numberIn(least: number, most: number): Check {
  return (value, name) => {
    if (typeof value !== "number" || !(value >= least && value <= most))
      refuseOption(name, value, `a number from ${least} to ${most}`);
  };
}

/** A surrogate without its other half: UTF-8 has no bytes for it, so each engine would make another name of it. */
export function hasHalfPair(value: string): boolean {
  return /\p{Surrogate}/u.test(value);
}

export function text(longest: number): Check {
  return (value, name) => {
    if (typeof value !== "string" || value.trim() === "" || value.length > longest)
      refuseOption(name, value, `a text of 1 to ${longest} characters`);
    if (hasHalfPair(value)) refuseOption(name, value, "a text of whole characters: it has half a surrogate pair");
  };
}

export const duration: Check = (value, name) => {
  durationMs(value as Duration, name);
};

export const durationAboveZero: Check = (value, name) => {
  if (durationMs(value as Duration, name) === 0)
    refuseOption(name, value, 'a time above 0, such as 500 (milliseconds), "30s" or "5m"');
};

export const record: Check = (value, name) => {
  if (!isRecord(value)) refuseOption(name, value, "an object");
};

/** By what it can do: one of another realm is no instance of ours. */
export const abortSignal: Check = (value, name) => {
  if (!isRecord(value) || typeof value.aborted !== "boolean" || typeof value.addEventListener !== "function")
    refuseOption(name, value, "an AbortSignal");
};

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** By what it can do. */
export function isBroker(value: unknown): value is Broker {
  return (
    isRecord(value) &&
    typeof value.name === "string" &&
    isRecord(value.features) &&
    typeof value.open === "function" &&
    typeof value.close === "function"
  );
}

const levels: readonly unknown[] = ["debug", "info", "warn", "error", "silent"] satisfies LogLevel[];
const levelsText = '"debug", "info", "warn", "error" or "silent"';

const logChecks: Checks = {
  level(value, name) {
    if (!levels.includes(value)) refuseOption(name, value, levelsText);
  },
  logger(value, name) {
    const complete =
      isRecord(value) && ["debug", "info", "warn", "error"].every((method) => typeof value[method] === "function");
    if (!complete) refuseOption(name, value, "an object with the methods debug, info, warn and error");
  },
  bodies: boolean,
  stacks: boolean,
  summary: boolean,
  filter(value, name) {
    if (typeof value !== "function")
      refuseOption(name, value, 'a function such as ({ queue, level }) => queue !== "mail" || level === "error"');
  },
};

export const log: Check = (value, name) => {
  if (isRecord(value)) checkMembers(value, logChecks, name);
  else if (value !== false && !levels.includes(value))
    refuseOption(name, value, `${levelsText}, false, or { level, logger, bodies, stacks, summary, filter }`);
};

/**
 * Every member of `options` is known and passes; `undefined` counts as left out. `inside`: the option that these are
 * members of.
 */
export function checkMembers(options: Readonly<Record<string, unknown>>, checks: Checks, inside?: string): void {
  for (const [key, value] of Object.entries(options)) {
    if (!Object.hasOwn(checks, key)) refuseUnknown(inside ? `${inside}.${key}` : key, key, Object.keys(checks));
    if (value !== undefined) checks[key]?.(value, inside ? `${inside}.${key}` : key);
  }
}

/** `path`: the same with what it is inside of. */
export function refuseUnknown(path: string, key: string, allowed: readonly string[]): never {
  const near = pythonNames[key] ?? nearest(key, allowed);
  const hint = near !== undefined && allowed.includes(near) ? ` Did you mean "${near}"?` : "";
  throw new FunboostError("BAD_OPTION", `unknown option "${path}".${hint} Allowed: ${allowed.join(", ")}.`);
}
