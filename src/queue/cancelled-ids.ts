/**
 * Cancelled tasks that the engine could not take out, as they run or as it cannot: their ids are kept in the store, and
 * every consumer holds a copy.
 */
import { clock } from "../base/clock.ts";
import type { Store } from "../contract/store.ts";
import type { MessageLimits } from "../wire/limits.ts";
import { liveChannel } from "./live-keys.ts";

const dayMs = 86_400_000;
const page = 1_000;
/** As far as the clocks of two machines may differ. */
const clocksMs = 5_000;

/** A list for each day: what is older than two days is forgotten. */
const keyOf = (scope: string, day: number) => `cancels:${encodeURIComponent(scope)}:${day}`;
const today = () => Math.floor(clock.now() / dayMs);

/** Whoever runs one hears of it at once. */
export async function askToCancel(store: Store, scope: string, ids: readonly string[]): Promise<void> {
  const items = ids.map((id) => `${clock.now()} ${id}`);
  await store.list.append([{ key: keyOf(scope, today()), items, ttlMs: 2 * dayMs }]);
  await store.notify(liveChannel(scope), "cancel");
}

export interface CancelledIds {
  /**
   * An id may be published again after its cancel: that message is another.
   * By the clocks of two machines, so an id that nobody gave is believed to be the same a bit longer.
   */
  has(id: string, publishedAt: number | undefined, limits: MessageLimits): boolean;
  /** Reads what is new. */
  refresh(): Promise<void>;
}

interface Day {
  /** When each id was cancelled last. */
  readonly at: Map<string, number>;
  read: number;
  last: string | undefined;
}

/** `onCancel` hears of each cancel once. */
export function createCancelledIds(store: Store, scope: string, onCancel: (id: string) => void): CancelledIds {
  const days = new Map<number, Day>();
  const readDay = async (day: number) => {
    const known: Day = days.get(day) ?? { at: new Map(), read: 0, last: undefined };
    days.set(day, known);
    for (;;) {
      const { read } = known;
      // From the last one that is known: where another stands there, the store has lost its list and begun anew.
      const entries = await store.list.read(keyOf(scope, day), Math.max(0, read - 1), page);
      if (known.read !== read) continue; // another refresh was faster
      const isSame = read > 0 && entries[0] === known.last;
      if (read > 0 && !isSame) known.read = 0;
      else if (entries.length === (isSame ? 1 : 0)) return;
      else learnAll(known, isSame ? entries.slice(1) : entries, onCancel);
    }
  };
  return {
    has(id, publishedAt = 0, { givenId, deadLetter }) {
      const since = givenId || deadLetter !== undefined ? publishedAt : publishedAt - clocksMs;
      for (const { at } of days.values())
        if (at.size > 0 && (at.get(id) ?? Number.NEGATIVE_INFINITY) >= since) return true;
      return false;
    },
    async refresh() {
      const day = today();
      for (const old of days.keys()) if (old < day - 1) days.delete(old);
      await Promise.all([readDay(day - 1), readDay(day)]);
    },
  };
}

function learnAll(day: Day, entries: readonly string[], onCancel: (id: string) => void): void {
  day.read += entries.length;
  day.last = entries.at(-1);
  for (const entry of entries) {
    const space = entry.indexOf(" ");
    const id = entry.slice(space + 1);
    day.at.set(id, Number(entry.slice(0, space)));
    onCancel(id);
  }
}
