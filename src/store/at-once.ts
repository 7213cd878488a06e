/** Writes to a store of this process, there when the call returns: no promise, and no text that nobody reads. */
import { isWatched, storing } from "../base/events.ts";
import type { LateResult } from "../contract/results.ts";
import type { SetEntry, Store } from "../contract/store.ts";

/** False: it must be put with a promise. Whoever watches a store sees promises alone. */
export function putAtOnce({ results }: Store, queue: string, result: LateResult): boolean {
  const { atOnce } = results.put;
  if (!atOnce || isWatched(storing)) return false;
  atOnce(queue, result);
  return true;
}

/** Whether it was written; undefined: it must be set with a promise. */
export function setAtOnce({ set }: Store, entry: SetEntry): boolean | undefined {
  return set.atOnce && !isWatched(storing) ? set.atOnce(entry) : undefined;
}
