/** Memory store: the shared state of one process, which ends with it. */
import { clock, queueMicrotask } from "../../src/base/clock.ts";
import type { Holding, Reservation, SetEntry, StartRow, Store } from "../../src/contract/index.ts";
import { listFrom } from "../shared/list-from.ts";
import { type RowState, reserveInRow } from "../shared/start-row.ts";
import { yielding } from "../shared/yielding.ts";
import { createExpiringMap, type ExpiringMap } from "./expiring-map.ts";
import { createIndex, createMaps, type StoredIndex, type StoredMap } from "./store-maps.ts";
import { createResults } from "./store-results.ts";
import { createTimers, type TimerQueue } from "./store-timers.ts";

/**
 * A store for one process: results, limits and timers without a server.
 *
 * @example
 * configure({ store: memoryStore() });
 */
export function memoryStore(): Store {
  const values = createExpiringMap<string>();
  const rows = createExpiringMap<RowState>();
  const leases = createLeases();
  const lists = createExpiringMap<string[]>();
  const maps = createExpiringMap<StoredMap>();
  const indexes = new Map<string, StoredIndex>();
  const timers = new Map<string, TimerQueue>();
  const notices = createChannels();
  const results = createResults();
  return {
    format: 2,
    name: "memory",
    scope: "process",
    durable: false,
    now: async () => clock.now(),
    ...createValues(values),
    reserve: async (key, row) => reserve(rows, key, row),
    lease: leases.lease,
    release: leases.release,
    timers: createTimers(timers),
    list: createLists(lists),
    map: createMaps(maps, leases.isHeld),
    index: createIndex(indexes),
    ...endings([values, lists, maps]),
    notify: notices.notify,
    subscribe: notices.subscribe,
    results,
    async close() {
      for (const each of [values, rows, leases, lists, maps, indexes, timers, notices, results]) each.clear();
    },
  };
}

function endOf(ttlMs: number | undefined, now = clock.monotonic()): number {
  return ttlMs === undefined ? Number.POSITIVE_INFINITY : now + ttlMs;
}

function createValues(values: ExpiringMap<string>): Pick<Store, "get" | "set" | "increment"> {
  return {
    get: async (keys) => keys.map((key) => values.get(key)),
    set: createSet(values),
    increment: async (counters) => counters.map((counter) => increment(values, counter)),
  };
}

/** Of values, lists and maps alike. */
function endings(all: readonly ExpiringMap<unknown>[]): Pick<Store, "delete" | "expire"> {
  return {
    async delete(keys) {
      for (const key of keys) for (const each of all) each.delete(key);
    },
    async expire(keys) {
      for (const { key, ttlMs } of keys) for (const each of all) endIn(each, key, ttlMs);
    },
  };
}

function endIn(map: ExpiringMap<unknown>, key: string, ttlMs: number): void {
  const value = map.get(key);
  if (value !== undefined) map.put(key, value, endOf(ttlMs));
}

function createLists(lists: ExpiringMap<string[]>): Store["list"] {
  return {
    append: async (entries) =>
      entries.map(({ key, items, ttlMs }) => {
        const list = lists.get(key) ?? [];
        for (const item of items) list.push(item);
        const end = lists.until(key) ?? Number.POSITIVE_INFINITY;
        const longer = Number.isFinite(end) ? Math.max(end, endOf(ttlMs)) : endOf(ttlMs);
        if (list.length > 0) lists.put(key, list, ttlMs === undefined ? end : longer);
        return list.length;
      }),
    async read(key, from, limit) {
      const list = lists.get(key) ?? [];
      const start = listFrom(from, list.length);
      const items = list.slice(start, start + Math.max(0, limit));
      return yielding(items);
    },
  };
}

function createSet(values: ExpiringMap<string>): Store["set"] {
  const atOnce = (entry: SetEntry) => setOne(values, entry, clock.monotonic());
  return Object.assign(async (entries: readonly SetEntry[]) => entries.map(atOnce), { atOnce });
}

function setOne(values: ExpiringMap<string>, { key, value, ttlMs, if: condition }: SetEntry, now: number): boolean {
  const current = condition && values.get(key);
  if (condition === "absent" && current !== undefined) return false;
  if (typeof condition === "object" && current !== condition.equals) return false;
  values.put(key, value, endOf(ttlMs, now));
  return true;
}

function increment(
  values: ExpiringMap<string>,
  { key, by, ttlMs }: { readonly key: string; readonly by: number; readonly ttlMs?: number },
): number {
  const sum = Number(values.get(key) ?? 0) + by;
  values.put(key, String(sum), values.until(key) ?? endOf(ttlMs));
  return sum;
}

/** What is kept ends when it would change nothing any more. */
function reserve(rows: ExpiringMap<RowState>, key: string, row: StartRow): Reservation {
  const { state, reservation, endsAt } = reserveInRow(rows.get(key), row, clock.monotonic());
  rows.put(key, state, endsAt);
  return reservation;
}

function createLeases() {
  const holders = createExpiringMap<{ readonly owner: string; readonly fence: number }>();
  let fences = 0; // one row of numbers for all names: a lease that is over needs no memory of its own
  return {
    async lease(name: string, owner: string, ttlMs: number, term?: number) {
      const current = holders.get(name);
      if ((current && current.owner !== owner) || (term !== undefined && current?.fence !== term)) return null;
      const fence = current?.fence ?? ++fences;
      holders.put(name, { owner, fence }, endOf(ttlMs));
      return { fence };
    },
    async release(name: string, owner: string) {
      if (holders.get(name)?.owner === owner) holders.delete(name);
    },
    isHeld: (holding: Holding) => holders.get(holding.lease)?.fence === holding.fence,
    clear: () => holders.clear(),
  };
}

function createChannels() {
  const listeners = new Map<string, Set<(text: string) => void>>();
  return {
    async notify(channel: string, text: string) {
      const there = listeners.get(channel);
      for (const listener of there ?? []) queueMicrotask(() => there?.has(listener) && listener(text));
    },
    async subscribe(channel: string, listen: (text: string) => void) {
      const own = (text: string) => listen(text); // the same function may subscribe twice
      const there = listeners.get(channel) ?? new Set();
      listeners.set(channel, there.add(own));
      return () => {
        there.delete(own);
        if (there.size === 0 && listeners.get(channel) === there) listeners.delete(channel);
      };
    },
    clear: () => listeners.clear(),
  };
}
