/** The consumers of this process. */
import { processWide } from "../base/process-wide.ts";
import type { Definition } from "../setup/model.ts";

export interface ConsumerStatus {
  readonly queue: string;
  /** Runs under way, those that wait for other tasks included. */
  readonly running: number;
  readonly held: number;
  readonly paused: boolean;
  /** Milliseconds since something was fetched. */
  readonly sinceFetchMs: number | undefined;
}

export interface StopOptions {
  readonly graceMs: number;
  /** What runs in consumers that stop together with this one: their children may be in this queue. */
  readonly others: { running(): number; suspended(): number };
}

/** A consumer as the process knows it, also while it still connects. */
export interface KnownConsumer {
  readonly definition: Definition;
  /** The tasks that it was started for; of one queue. Empty: it ends. */
  readonly consumed: Set<Definition>;
  running(): number;
  suspended(): number;
  /** Answers whether all that ran has ended by itself. */
  stop(options: StopOptions): Promise<boolean>;
}

/** All of this process. */
export const consumers = processWide("consumers", () => new Set<KnownConsumer>());
