/** What is told of messages in engines that others use too. Types only. */

/** How often a message runs again that failed, and when. */
export interface Retries {
  readonly max: number;
  readonly type: "fixed" | "exponential";
  /** The first wait. */
  readonly baseMs: number;
  /** Each wait is anything up to what it would be. */
  readonly jitter: boolean;
}

/** What an engine tells of a message, as plain data. */
export interface Facts {
  /** Runs before this one that ended by themselves. */
  readonly attemptsMade: number;
  /** Its options, under the engine's own names. */
  readonly options: Readonly<Record<string, unknown>>;
}
