/** A map that forgets its oldest: for what is good to know and may be lost. */

export interface ForgetfulMap<Key, Value> {
  get(key: Key): Value | undefined;
  /** What is set again counts as new. */
  set(key: Key, value: Value): void;
  delete(key: Key): void;
}

/** Holds at most `most` entries. */
export function createForgetfulMap<Key, Value>(most: number): ForgetfulMap<Key, Value> {
  const entries = new Map<Key, Value>();
  return {
    get: (key) => entries.get(key),
    set(key, value) {
      entries.delete(key);
      entries.set(key, value);
      if (entries.size <= most) return;
      const [oldest] = entries.keys();
      entries.delete(oldest as Key);
    },
    delete: (key) => void entries.delete(key),
  };
}
