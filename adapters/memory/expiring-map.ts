/** A map whose entries end: when they are looked for, and a few at each write. */
import { clock } from "../../src/base/clock.ts";

/**
 * Entries looked at for each write, in turn, so that what nobody asks for again is dropped as well; together for many
 * writes, as that costs less.
 */
const sweptPerWrite = 2;
const writesPerSweep = 32;

interface Entry<V> {
  readonly value: V;
  readonly until: number;
}

/** All times are monotonic. */
export interface ExpiringMap<V> {
  get(key: string): V | undefined;
  put(key: string, value: V, until: number): void;
  /** When the entry ends; undefined where there is none. */
  until(key: string): number | undefined;
  delete(key: string): void;
  clear(): void;
}

export function createExpiringMap<V>(): ExpiringMap<V> {
  const entries = new Map<string, Entry<V>>();
  const sweep = sweeper(entries);
  let writes = 0;
  const live = (key: string) => {
    const entry = entries.get(key);
    if (!entry || entry.until === Number.POSITIVE_INFINITY || entry.until > clock.monotonic()) return entry;
    entries.delete(key);
    return undefined;
  };
  return {
    get: (key) => live(key)?.value,
    put(key, value, until) {
      entries.set(key, { value, until });
      if (++writes % writesPerSweep === 0) sweep(sweptPerWrite * writesPerSweep);
    },
    until: (key) => live(key)?.until,
    delete: (key) => void entries.delete(key),
    clear: () => entries.clear(),
  };
}

/** Goes round and round, a few entries at each call. */
function sweeper<V>(entries: Map<string, Entry<V>>): (count: number) => void {
  let walk = entries.entries();
  return (count) => {
    const now = clock.monotonic();
    for (let looked = 0; looked < count; looked++) {
      const { value, done } = walk.next();
      if (done) {
        walk = entries.entries();
        return;
      }
      if (value[1].until <= now) entries.delete(value[0]);
    }
  };
}
