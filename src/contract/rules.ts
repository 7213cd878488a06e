/** What others want of the messages that they published, as the core asks it. Types only. */

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
}
