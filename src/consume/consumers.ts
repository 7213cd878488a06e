/** The consumers of this process. */
import { processWide } from "../base/process-wide.ts";
import type { Definition } from "../setup/model.ts";
import type { StopOptions } from "./stop.ts";

export interface ConsumerStatus {
  readonly queue: string;
  /** Runs under way, those that wait for other tasks included. */
  readonly running: number;
  readonly held: number;
  readonly paused: boolean;
  /** Milliseconds since something was fetched. */
  readonly sinceFetchMs: number | undefined;
}

/** A consumer as the process knows it, also while it still connects. */
export interface KnownConsumer {
  readonly definition: Definition;
  running(): number;
  suspended(): number;
  stop(options: StopOptions): Promise<void>;
}

/** All of this process. */
export const consumers = processWide("consumers", () => new Set<KnownConsumer>());
