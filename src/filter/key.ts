/** The key of a call: what makes two messages equal, and how a key is given back. */
import { hash } from "node:crypto";
import { describe, FunboostError } from "../base/errors.ts";
import { copyPlain } from "../base/plain-copy.ts";
import type { SetEntry } from "../contract/store.ts";
import type { FilterOptions } from "../options/filter.ts";
import { readOutcome } from "../results/read-outcome.ts";
import type { OpenQueue } from "../setup/model.ts";
import { placeOf } from "../store/scope.ts";

/** The key in the store; `given` is the message's own `filterKey`. Tasks of one queue have keys of their own. */
export function filterKey(
  scope: string,
  { key }: FilterOptions,
  args: readonly unknown[],
  given: string | undefined,
  job?: string,
): string {
  const text: unknown = given ?? key?.(...copyPlain(args, new Map())) ?? textOf(args);
  if (typeof text !== "string")
    throw new FunboostError("BAD_ARGS", `filter.key() answered ${describe(text)}. Needed: a text.`);
  return `filter:${placeOf(scope, job)}:${hash("sha256", text, "base64url")}`;
}

/** The same text either way; without a replacer it costs a tenth. */
function textOf(args: readonly unknown[]): string {
  return args.every(isPlain) ? JSON.stringify(args) : JSON.stringify(args, sortedMembers);
}

function isPlain(value: unknown): boolean {
  return value === null || (typeof value !== "object" && typeof value !== "bigint");
}

/** Equal objects are equal whatever the order of their members. */
function sortedMembers(_: string, value: unknown): unknown {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export async function isCancelled(task: OpenQueue, id: string): Promise<boolean> {
  return (await readOutcome(task, id, false))?.status === "cancelled";
}

/** Gives a key back, if it still has this value. */
export function releaseEntry(key: string, value: string): SetEntry {
  return { key, value: "", ttlMs: 1, if: { equals: value } };
}
