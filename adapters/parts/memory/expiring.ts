/** A map whose entries end: when they are looked for, and a few at each write. */
import { clock } from "../../../src/clock.ts";

/** Keys looked at by each write, in turn, so that what nobody asks for again is dropped as well. */
const sweptPerWrite = 2;

/** All times are monotonic. */
export interface Expiring<V> {
  get(key: string): V | undefined;
  put(key: string, value: V, until: number): void;
  /** When the entry ends; undefined where there is none. */
  until(key: string): number | undefined;
  delete(key: string): void;
  clear(): void;
}

export function expiring<V>(): Expiring<V> {
  const entries = new Map<string, { readonly value: V; readonly until: number }>();
  let walk = entries.entries();
  const live = (key: string) => {
    const entry = entries.get(key);
    if (!entry || entry.until === Number.POSITIVE_INFINITY || entry.until > clock.monotonic()) return entry;
    entries.delete(key);
    return undefined;
  };
  const sweep = () => {
    for (let looked = 0; looked < sweptPerWrite; looked++) {
      const { value, done } = walk.next();
      if (done) walk = entries.entries();
      else live(value[0]);
    }
  };
  return {
    get: (key) => live(key)?.value,
    put(key, value, until) {
      entries.set(key, { value, until });
      sweep();
    },
    until: (key) => live(key)?.until,
    delete: (key) => void entries.delete(key),
    clear: () => entries.clear(),
  };
}
