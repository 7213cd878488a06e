/** The option `filter`. */

import { type Duration, durationMs } from "../base/duration.ts";
import { type Check, checkMembers, durationAboveZero, isRecord, refuseOption } from "./checks.ts";

/** What makes two messages the same, and for how long. */
export interface FilterParams<Args extends readonly unknown[]> {
  /** How long a task counts as done. @default "7d" */
  readonly ttl?: Duration;
  /** What makes two messages equal. @default all arguments, by position */
  readonly key?: (...args: Args) => string;
  /**
   * "done": one that was done is not done again. "published": one that was published is not published again.
   * @default "done"
   */
  readonly when?: "done" | "published";
}

export interface FilterOptions {
  readonly ttlMs: number;
  readonly key: ((...args: readonly unknown[]) => string) | undefined;
  readonly when: "done" | "published";
}

export const checkFilter: Check = (value, name) => {
  if (!isRecord(value)) {
    if (typeof value !== "boolean")
      refuseOption(name, value, 'true, false, or { ttl: "7d", key, when: "done" | "published" }');
    return;
  }
  checkMembers(
    value,
    {
      ttl: durationAboveZero,
      key(key, path) {
        if (typeof key !== "function") refuseOption(path, key, "a function from the arguments to a text");
      },
      when(when, path) {
        if (when !== "done" && when !== "published") refuseOption(path, when, '"done" or "published"');
      },
    },
    name,
  );
};

// biome-ignore lint/suspicious/noExplicitAny: the arguments of any task
export function resolveFilter(filter: boolean | FilterParams<any> | undefined): FilterOptions | undefined {
  if (!filter) return undefined;
  const { ttl = "7d", key, when = "done" } = filter === true ? {} : filter;
  return { ttlMs: durationMs(ttl, "filter.ttl"), key, when };
}
