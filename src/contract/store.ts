/**
 * What a store implements: the shared state behind controls. Types only.
 *
 * Every call takes a list and is atomic for each entry. Keys are text of ours, values are text.
 * Calls of one tick are sent together. Sockets and timers never keep the process alive: the core does while it waits.
 */
export interface Store {
  readonly name: string;
  /** Who sees it: this process, the processes of this machine, or all. */
  readonly scope: "process" | "host" | "shared";
  readonly durable: boolean;
  /** Its clock, in epoch milliseconds: the same for all who use it, as far as it is one server or one machine. */
  now(): Promise<number>;
  get(keys: readonly string[]): Promise<readonly (string | undefined)[]>;
  /** Answers for each entry whether it was written. */
  set: SetKeys;
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
     * `ttlMs`: the list is kept for at least so long from now, so that the longest one given holds for all of it.
     * Without one what was set stays, and a new list has no end.
     */
    append(key: string, items: readonly string[], ttlMs?: number): Promise<void>;
    /** `limit` items from index `from`, oldest first. */
    read(key: string, from: number, limit: number): Promise<readonly string[]>;
  };
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

/** Messages that are due later. None is lost: what is leased and not acknowledged is leased again. */
export interface Timers {
  /** An id that is there already is replaced. */
  add(queue: string, entries: readonly TimerEntry[]): Promise<void>;
  /** Those that are due; `nextDueMs` is milliseconds from now until the next one. */
  lease(
    queue: string,
    limit: number,
    ttlMs: number,
  ): Promise<{
    readonly entries: readonly { readonly id: string; readonly payload: string }[];
    readonly nextDueMs?: number;
  }>;
  /** Removes those that are leased: one that was added again meanwhile stays. */
  ack(queue: string, ids: readonly string[]): Promise<void>;
  /** Removes those that are not leased; answers the ids that it removed. */
  remove(queue: string, ids: readonly string[]): Promise<readonly string[]>;
  count(queue: string): Promise<number>;
  clear(queue: string): Promise<void>;
}

export interface TimerEntry {
  readonly id: string;
  readonly dueInMs: number;
  readonly payload: string;
}

/**
 * The first end of one life stays: whoever ended first is believed, not a run that lost its lease and ends late. That
 * of a later life replaces an earlier one: ids that an engine counts begin again when somebody empties its queue.
 */
export interface NewResult {
  readonly id: string;
  readonly outcome: string;
  readonly ttlMs: number;
  /** Epoch milliseconds: which life of the id. Without one it is earlier than all that have one. */
  readonly publishedAt?: number;
}

/** As `NewResult`; what is no text becomes JSON when it is read. Nobody changes it later. */
export interface LateResult extends Omit<NewResult, "outcome"> {
  readonly outcome: string | object;
}

/** `atOnce`: of a store in this process. It has what it was given when the call returns. */
export interface PutResults {
  (queue: string, results: readonly NewResult[]): Promise<void>;
  readonly atOnce?: (queue: string, result: LateResult) => void;
}

/** Final outcomes as text, by queue and task id. */
export interface Results {
  put: PutResults;
  get(queue: string, ids: readonly string[]): Promise<readonly (string | undefined)[]>;
  /** Drops what is kept; who waits goes on waiting. */
  delete(queue: string, ids: readonly string[]): Promise<void>;
  wait: WaitForResult;
}

/**
 * Resolves with the outcome when it is there. Coalesced: one connection for all waits of a process.
 * `hear`: the same for many that wait, without a promise and a signal for each. `heard` is called once, maybe before
 * the call returns, unless what is answered is called before: it ends the wait.
 */
export interface WaitForResult {
  (queue: string, id: string, signal: AbortSignal): Promise<string>;
  readonly hear?: (queue: string, id: string, heard: (outcome: string | Error) => void) => () => void;
}
