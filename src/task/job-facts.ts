/** A message as plain facts. Types only. */

/**
 * A message as plain facts, the same on every engine: `fct.job`, and the second argument of what `adopt()` calls.
 *
 * @example
 * const jobs = adopt({ queue: "documents", concurrency: 10 }, {
 *   "*": async (data, job) => {
 *     if (job.isLastAttempt) job.log(`${job.name} ${job.id}: the last of ${job.maxAttempts}`);
 *   },
 * });
 */
export interface JobFacts<Data = unknown> {
  readonly id: string;
  /** Its job; its queue's name where it has none. */
  readonly name: string;
  /** What was published, without funboost's own `extra`. */
  readonly data: Data;
  /** Runs before this one that ended by themselves. */
  readonly attemptsMade: number;
  /** Runs in all, this one and those to come included, if each fails. */
  readonly maxAttempts: number;
  readonly isLastAttempt: boolean;
  /** The engine's own options of this message; empty where it has none. */
  readonly options: Readonly<Record<string, unknown>>;
  /** As `fct.progress()`. */
  progress(value: unknown): Promise<void>;
  /** A line of the log, here and where the engine keeps lines of its own. */
  log(line: string): void;
}
