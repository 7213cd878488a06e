/** How a delivery ends in Bee-Queue's words, as its own workers write them. */
import { clock } from "../../src/base/clock.ts";
import type { Settlement } from "../../src/contract/index.ts";
import type { BeeJob } from "./bee.ts";
import { type BeeDelivery, bodyOf } from "./delivery.ts";

export interface Endings {
  readonly removeOnSuccess: boolean;
  readonly removeOnFailure: boolean;
  /** The same for what others published. */
  readonly removeTheirs: { readonly removeOnSuccess: boolean; readonly removeOnFailure: boolean };
  /** Most failed jobs to keep; 0: all. */
  readonly keepFailed: number;
  /** Tells Bee-Queue's own listeners in other processes. */
  readonly sendEvents: boolean;
}

/** Where a job goes, what is written down of it, and what its listeners are told. */
export type Ending = readonly [to: string | number, data: string, event: string];

const mostStacks = 10;

export function endingOf(
  { native: job, attempt, ahead, text, rules }: BeeDelivery,
  settlement: Settlement,
  endings: Endings,
): Ending {
  const { removeOnSuccess, removeOnFailure } = rules ? endings.removeTheirs : endings;
  const written = (status: string, error?: Error) => writeDown(job, text, status, error);
  const news = (event: string, data: unknown) => (endings.sendEvents ? stringify({ id: job.id, event, data }) : "");
  switch (settlement.outcome) {
    case "done":
      return [
        ...(removeOnSuccess ? removal : (["succeeded", written("succeeded")] as const)),
        news("succeeded", settlement.result),
      ];
    case "failed":
      return [
        ...(removeOnFailure ? removal : (["failed", written("failed", settlement.error)] as const)),
        news("failed", settlement.error.message),
      ];
    case "retry":
      job.options.attempt = attempt + 1;
      // What Bee-Queue would have left: the core counts by itself.
      job.options.retries = Math.max(0, (job.options.retries ?? 0) - 1);
      return [
        again(settlement.delayMs, ahead ? "front" : "waiting"),
        written("retrying", settlement.error),
        news("retrying", settlement.error.message),
      ];
    case "postponed":
      return [again(settlement.delayMs, "waiting"), "", ""];
    case "returned":
    case "moved":
      return ["front", "", ""];
  }
}

const again = (delayMs: number, now: string) => (delayMs > 0 ? Math.ceil(clock.now() + delayMs) : now);

const removal = ["gone", ""] as const;

function writeDown(job: BeeJob, text: string, status: string, error?: Error): string {
  job.status = status;
  job.data = bodyOf(text);
  if (error)
    job.options.stacktraces = [String(error.stack ?? error.message), ...job.options.stacktraces].slice(0, mostStacks);
  return job.toData();
}

/** A result that is no JSON is nobody's news. */
function stringify(event: object): string {
  try {
    return JSON.stringify(event);
  } catch {
    return "";
  }
}
