/**
 * What a store implements: the shared state behind controls. Types only.
 *
 * Every call takes a list and is atomic for each entry. Keys are text of ours, values are text.
 * Calls of one tick are sent together. Sockets and timers never keep the process alive: the core does while it waits.
 */
import type { Results } from "./results.ts";

export interface Store {
  /** The contract that it follows. The core refuses a store of another one by name. */
  readonly format: 2;
  readonly name: string;
  /** Who sees it: this process, the processes of this machine, or all. */
  readonly scope: "process" | "host" | "shared";
  readonly durable: boolean;
  /** Its clock, in epoch milliseconds: the same for all who use it, as far as it is one server or one machine. */
  now(): Promise<number>;
  get(keys: readonly string[]): Promise<readonly (string | undefined)[]>;
  /** Answers for each entry whether it was written. */
  set: SetKeys;
  /** Values, lists and maps alike. */
  delete(keys: readonly string[]): Promise<void>;
  /** Answers the new values; a missing key counts from 0. `ttlMs` is set when the key is made. */
  increment(
    counters: readonly { readonly key: string; readonly by: number; readonly ttlMs?: number }[],
  ): Promise<readonly number[]>;
  /**
   * Reserves starts of a row, by the store's own clock. A start up to `slackMs` late does not move the later ones.
   * After an idle time it counts from now; where starts are closer than the slack, from the slack ago.
   */
  reserve(key: string, row: StartRow): Promise<Reservation>;
  /**
   * Takes or renews a named lease; null while another owner has it. `fence` is its term: it grows each time that the
   * lease is taken.
   * With `fence` it renews that term and nothing else: null when that is over, also where nobody else has it.
   */
  lease(name: string, owner: string, ttlMs: number, fence?: number): Promise<{ readonly fence: number } | null>;
  /** Does nothing while another owner has it. The core never uses an owner for two terms. */
  release(name: string, owner: string): Promise<void>;
  readonly timers: Timers;
  readonly list: {
    /**
     * Answers the lengths after it. `ttlMs`: the list is kept for at least so long from now, so that the longest one
     * given holds for all of it: several write to one, each with a ttl of its own. `expire` sets it as it says.
     */
    append(
      entries: readonly (Ttl & { readonly key: string; readonly items: readonly string[] })[],
    ): Promise<readonly number[]>;
    /**
     * `limit` items from index `from`, oldest first; a negative index counts from the end, and before the first is the
     * first.
     */
    read(key: string, from: number, limit: number): Promise<readonly string[]>;
  };
  readonly map: Maps;
  readonly index: Index;
  /** Of values, lists and maps alike: each ends so much time from now. What is not there stays so. */
  expire(keys: readonly { readonly key: string; readonly ttlMs: number }[]): Promise<void>;
  /** To every subscriber that is there now; lost otherwise: whoever listens polls too. */
  notify(channel: string, text: string): Promise<void>;
  /** `onSwitch`: notices are lost from now on, or are back; absent calls where they cannot be lost. */
  subscribe(
    channel: string,
    listener: (text: string) => void,
    onSwitch?: (to: "poll" | "notices") => void,
  ): Promise<() => void>;
  readonly results: Results;
  close(): Promise<void>;
}

/**
 * Starts, evenly spaced. Their places take turns: each is used again `places * perMs` later at the earliest, so that
 * any `places + 1` starts span at least that.
 */
export interface StartRow {
  readonly perMs: number;
  readonly places: number;
  /** So many are wanted, ... */
  readonly count: number;
  /** ... of those that are due in so much time at the latest. Any, where absent. */
  readonly aheadMs?: number;
  readonly slackMs: number;
  /** How much later than reserved they may come: each place is free again so much later. */
  readonly lateMs?: number;
  /**
   * Numbers of starts whose time is over, and that did not come: their places may be used from now on, half of `perMs`
   * apart at the least. What was reserved again since, or is not known, changes nothing.
   */
  readonly unused?: readonly number[];
}

export interface Reservation {
  readonly starts: readonly ReservedStart[];
  /** In how many milliseconds the next one of the row is due. */
  readonly nextMs: number;
}

export interface ReservedStart {
  /** In how many milliseconds it is due. */
  readonly waitMs: number;
  /** By this it is given back. */
  readonly number: number;
}

/** `atOnce`: of a store in this process. It is written when the call returns, and the answer is there. */
export interface SetKeys {
  (entries: readonly SetEntry[]): Promise<readonly boolean[]>;
  readonly atOnce?: (entry: SetEntry) => boolean;
}

export interface SetEntry {
  readonly key: string;
  readonly value: string;
  readonly ttlMs?: number;
  readonly if?: "absent" | { readonly equals: string };
}

/** `ttlMs` counts from the call that gives one. Without one what was set stays, and a new key has none. */
export interface Ttl {
  readonly ttlMs?: number;
}

/** A read of many: `limit` from 1 to 1,000, and `after` as the last page gave it. */
export interface From {
  readonly after?: string;
  readonly limit: number;
}

/** It may be shorter than asked for; without `after` it was the last. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly after?: string;
}

/** The write happens only while this term of this lease is held: a stopped writer writes nothing later. */
export interface Holding {
  readonly lease: string;
  readonly fence: number;
}

export type Field = readonly [field: string, value: string];

export interface MapEntry extends Ttl {
  readonly key: string;
  readonly fields: readonly Field[];
  /** Each field is written only where it is not there. */
  readonly if?: "absent";
  readonly holding?: Holding;
}

export interface MapWritten {
  /** For each field whether it was written. */
  readonly written: readonly boolean[];
  /** Fields of the map after it. */
  readonly size: number;
  /** `holding` is over: nothing was written. */
  readonly lost?: true;
}

export interface Maps {
  put(entries: readonly MapEntry[]): Promise<readonly MapWritten[]>;
  get(key: string, fields: readonly string[]): Promise<readonly (string | undefined)[]>;
  /** In no order. A field that is there all the time is read once at least; a page may be longer than `limit`. */
  read(key: string, from: From): Promise<Page<Field>>;
  /** Answers how many were there. */
  remove(key: string, fields: readonly string[]): Promise<number>;
}

/** Members by name, in the order of the bytes of their ids: what a console lists. */
export interface Index {
  put(name: string, members: readonly (Ttl & { readonly id: string; readonly value: string })[]): Promise<void>;
  remove(name: string, ids: readonly string[]): Promise<void>;
  read(
    name: string,
    from: From & { readonly prefix?: string },
  ): Promise<Page<{ readonly id: string; readonly value: string }>>;
  count(name: string): Promise<number>;
}

/** What is due later. Nothing is lost: what is leased and not acknowledged is leased again. */
export interface Timers {
  /** An id of the queue that is there already is replaced, and its lease is over. */
  add(entries: readonly TimerEntry[]): Promise<void>;
  /** Those of any of the queues that are due; `nextDueMs` is milliseconds from now until the next one of these. */
  lease(queues: readonly string[], how: { readonly limit: number; readonly ttlMs: number }): Promise<LeasedTimers>;
  /** Removes those that this lease still holds; false: added again, leased by another or removed meanwhile. */
  ack(
    leased: readonly { readonly queue: string; readonly id: string; readonly token: string }[],
  ): Promise<readonly boolean[]>;
  /** Removes those that are not leased; answers for each whether it did. */
  remove(entries: readonly { readonly queue: string; readonly id: string }[]): Promise<readonly boolean[]>;
  /** By the time at which they are due. */
  read(queue: string, from: From): Promise<Page<WaitingTimer>>;
  count(queues: readonly string[]): Promise<readonly number[]>;
  clear(queues: readonly string[]): Promise<void>;
}

export interface TimerEntry {
  readonly queue: string;
  readonly id: string;
  readonly dueInMs: number;
  readonly payload: string;
}

export interface LeasedTimers {
  /** One token a call of `lease`. */
  readonly entries: readonly {
    readonly queue: string;
    readonly id: string;
    readonly payload: string;
    readonly token: string;
  }[];
  readonly nextDueMs?: number;
}

export interface WaitingTimer {
  readonly id: string;
  readonly payload: string;
  /** Below zero: it is late. */
  readonly dueInMs: number;
  readonly leased: boolean;
}
