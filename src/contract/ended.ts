/** How a message ended, where its engine keeps that. Types only. */

export type FinalStatus = "done" | "failed" | "dead" | "cancelled" | "expired" | "filtered";

/** How a message ended, as its engine keeps it. Times are epoch milliseconds. */
export interface Ended {
  readonly status: FinalStatus;
  readonly result?: unknown;
  /**
   * The error as JSON, and where a result could not be carried: as the settlement's `record` had them. Of what `clear`
   * removed: status "cancelled", and an error with code CLEARED.
   */
  readonly error?: { [key: string]: unknown };
  readonly lostAt?: string;
  readonly job?: string;
  readonly attempts?: number;
  readonly publishedAt?: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly host?: string;
  readonly pid?: number;
}

export interface ResultOptions {
  /** Waits for the end until it aborts. Without it the answer comes at once. */
  readonly signal?: AbortSignal;
  /** True: attempts, times and place of a message that is done too, where they cost the engine another call. */
  readonly facts: boolean;
}
