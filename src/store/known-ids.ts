/** Ids that callers gave: until a task has ended its engine knows them; from then on, for a day, the store does. */
import type { SetEntry, Store } from "../contract/store.ts";

const dayMs = 86_400_000;

const keyOf = (scope: string, id: string) => `id:${encodeURIComponent(scope)}:${id}`;

/** Those of them whose task has ended. */
export async function readEndedIds(store: Store, scope: string, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const marks = await store.get(ids.map((id) => keyOf(scope, id)));
  return new Set(ids.filter((_, i) => marks[i] !== undefined));
}

/** What keeps an id known. Written before its message is acknowledged: there is no moment in which nobody knows it. */
export function endedMark({ scope }: { readonly scope: string }, id: string): SetEntry {
  return { key: keyOf(scope, id), value: "1", ttlMs: dayMs };
}
