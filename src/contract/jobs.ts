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

/** How its publisher wants a message to go on, in its engine's way. The adapter reads it, the core decides by it. */
export interface Rules {
  /** Runs after the first. */
  readonly maxRetries: number;
  /** Limit of one run; undefined: none. */
  readonly timeoutMs?: number;
  /** The wait after a run that failed; "final": there is no other. `error` is what was thrown, made an Error. */
  delayMs(attempt: number, error: Error): number | "final" | Promise<number | "final">;
  /** What a thrown value means to the engine. "moved": the run itself has moved its message. Undefined: it failed. */
  reads(error: unknown): "final" | "moved" | undefined;
  /** What is to be given as `Message.foreign`, so that it is there again as it was. Absent: that cannot be. */
  foreign?(): Readonly<Record<string, unknown>>;
}

export interface Peeked {
  readonly id: string;
  readonly job?: string;
  readonly body: unknown;
}

export interface Stored {
  readonly body: unknown;
  /** False: known to be of others, where its engine can tell. */
  readonly ours: boolean;
}

/** By the names that the engine gives them. */
export interface Children {
  readonly results: Readonly<Record<string, unknown>>;
  /** Why each failed, of those whose failure did not fail this one. */
  readonly failures: Readonly<Record<string, string>>;
}
