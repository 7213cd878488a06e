/** Ids that callers gave: while a task waits or runs its engine knows them; from its end on, for a day, the store does. */
import type { Message, Published } from "../contract/broker.ts";
import type { SetEntry, Store } from "../contract/store.ts";

const dayMs = 86_400_000;

type Publish = (messages: readonly Message[]) => Promise<readonly Published[]>;

const keyOf = (scope: string, id: string) => `id:${encodeURIComponent(scope)}:${id}`;

/** Publishes those whose id is not known. */
export async function publishUnknown(
  { scope }: { readonly scope: string },
  store: Store,
  messages: readonly Message[],
  publish: Publish,
): Promise<readonly Published[]> {
  const given = messages.flatMap(({ id }) => id ?? []);
  if (given.length === 0) return publish(messages);
  const marks = await store.get(given.map((id) => keyOf(scope, id)));
  const known = new Set(given.filter((_, i) => marks[i] !== undefined));
  if (known.size === 0) return publish(messages);
  const published = [...(await publish(messages.filter(({ id }) => id === undefined || !known.has(id))))];
  return messages.map(({ id }) =>
    id !== undefined && known.has(id) ? { id, existing: true } : (published.shift() as Published),
  );
}

/** What keeps an id known. Written before its message is acknowledged: there is no moment in which nobody knows it. */
export function endedMark({ scope }: { readonly scope: string }, id: string): SetEntry {
  return { key: keyOf(scope, id), value: "1", ttlMs: dayMs };
}
