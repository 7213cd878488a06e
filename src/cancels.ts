/** Cancelled tasks that the engine could not take out, as they run or as it cannot: their ids are kept in the store, and every consumer holds a copy. */
import { clock } from "./clock.ts";
import type { Store } from "./contract/store.ts";

const dayMs = 86_400_000;
const page = 1_000;

/** A list for each day: what is older than two days is forgotten. */
const keyOf = (scope: string, day: number) => `cancels:${encodeURIComponent(scope)}:${day}`;
const today = () => Math.floor(clock.now() / dayMs);

export async function keepCancel(store: Store, scope: string, id: string): Promise<void> {
  await store.list.append(keyOf(scope, today()), [`${clock.now()} ${id}`], 2 * dayMs);
}

export interface Cancels {
  /** An id may be published again after its cancel: that message is another. */
  has(id: string, publishedAt: number | undefined): boolean;
  /** Reads what is new. */
  refresh(): Promise<void>;
}

interface Day {
  /** When each id was cancelled last. */
  readonly at: Map<string, number>;
  read: number;
}

/** `onCancel` hears of each cancel once. */
export function createCancels(store: Store, scope: string, onCancel: (id: string) => void): Cancels {
  const days = new Map<number, Day>();
  const readDay = async (day: number) => {
    const known = days.get(day) ?? { at: new Map<string, number>(), read: 0 };
    days.set(day, known);
    for (let entries = [""]; entries.length > 0; ) {
      const from = known.read;
      entries = [...(await store.list.read(keyOf(scope, day), from, page))];
      if (known.read !== from) continue; // another refresh was faster
      known.read += entries.length;
      for (const entry of entries) learn(known, entry, onCancel);
    }
  };
  return {
    has(id, publishedAt) {
      for (const { at } of days.values()) if ((at.get(id) ?? -1) >= (publishedAt ?? 0)) return true;
      return false;
    },
    async refresh() {
      const day = today();
      for (const old of days.keys()) if (old < day - 1) days.delete(old);
      await Promise.all([readDay(day - 1), readDay(day)]);
    },
  };
}

function learn({ at }: Day, entry: string, onCancel: (id: string) => void): void {
  const space = entry.indexOf(" ");
  const id = entry.slice(space + 1);
  at.set(id, Number(entry.slice(0, space)));
  onCancel(id);
}
