/** A job of Bee-Queue as a delivery, and what its text holds. */
import { clock } from "../../src/base/clock.ts";
import { parseJson } from "../../src/base/json.ts";
import type { Delivery } from "../../src/contract/index.ts";
import type { BeeJob, BeeQueue } from "./bee.ts";
import { isOurs, rulesOf } from "./foreign.ts";

export interface BeeDelivery extends Delivery {
  readonly native: BeeJob;
  /** Of the exchange that brought it. */
  readonly token: string;
  /** The job as it is stored: a run may change what it was given. */
  readonly text: string;
}

export function toDelivery(bee: BeeQueue, id: string, text: string, crashes: number, token: string): BeeDelivery {
  const job = bee.createJob(undefined);
  job.id = id;
  const stored = parse(text);
  if (stored) {
    Object.assign(job.options, stored.options);
    job.status = stored.status;
    job.progress = stored.progress;
  }
  job.data = stored ? stored.data : text;
  const { options } = job;
  if (!Array.isArray(options.stacktraces)) options.stacktraces = [];
  // Bee-Queue's own workers count by the errors that they write down.
  const attempt = Math.max(Number(options.attempt) || 1, options.stacktraces.length + 1);
  return {
    id,
    body: job.data,
    attempt,
    ...(isOurs(job) ? {} : { rules: rulesOf(job, attempt) }),
    crashes,
    ahead: options.ahead === true,
    publishedAt: Number.isFinite(options.timestamp) ? options.timestamp : clock.now(),
    native: job,
    token,
    text,
  };
}

export function bodyOf(text: string): unknown {
  const stored = parse(text);
  return stored ? stored.data : text;
}

/** Ours, as far as its text tells. */
export function isStoredByUs(text: string): boolean {
  const stored = parse(text);
  return stored !== undefined && isOurs(stored);
}

/** Undefined for what no version of Bee-Queue writes: whoever put it there, it must not hold up the others. */
function parse(text: string): BeeJob | undefined {
  try {
    const stored = parseJson(text) as BeeJob | null;
    return typeof stored === "object" && stored !== null && "data" in stored ? stored : undefined;
  } catch {
    return undefined;
  }
}
