/** An outcome as it is made: by whom, when, and how it ended. */
import { hostname } from "node:os";
import { clock } from "../base/clock.ts";
import type { SerializedError } from "../base/errors.ts";
import type { Delivery, FinalStatus } from "../contract/broker.ts";
import type { Outcome } from "../task/outcome.ts";

export type NewOutcome = { -readonly [Key in keyof Outcome]: Outcome[Key] };

const host = hostname();
const { pid } = process; // reading it costs more than all else of a record

/** A task's place: its queue, and its name where that has several. */
export interface Place {
  readonly queue: string;
  readonly job?: string | undefined;
}

/** Made once, and by hand: spreading objects costs more than all else of it. */
export function newOutcome(
  { queue, job }: Place,
  { id, attempt: attempts, publishedAt }: Delivery,
  startedAt: number,
  status: FinalStatus,
): NewOutcome {
  const outcome: NewOutcome = { id, queue, status, attempts, startedAt, endedAt: clock.now(), host, pid };
  if (publishedAt !== undefined) outcome.publishedAt = publishedAt;
  if (job !== undefined) outcome.job = job;
  return outcome;
}

/** Of a message that was cancelled before it started. */
export function cancelledOutcome({ queue, job }: Place, id: string): Outcome {
  const outcome: Outcome = { id, queue, status: "cancelled", attempts: 0, endedAt: clock.now(), host, pid };
  return job === undefined ? outcome : { ...outcome, job };
}

/** Of one that clear() removed. */
export function clearedOutcome(place: Place, id: string): Outcome {
  return { ...cancelledOutcome(place, id), error: clearedError };
}

const clearedError: SerializedError = {
  name: "FunboostError",
  message: "clear() removed it from its queue.",
  code: "CLEARED",
};
