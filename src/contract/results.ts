/** What a store keeps of how tasks ended. Types only. */

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
