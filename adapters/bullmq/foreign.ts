/** Jobs that others added: which those are, and the rules that they came with, as BullMQ's own worker reads them. */
import type { Job, JobJson, JobsOptions, WorkerOptions } from "bullmq";
import type { JsonObject, Rules } from "../../src/contract/index.ts";

/** What we write into a job's options. */
export interface OwnOptions {
  /** Ours, where it cannot be told from one of BullMQ's own. */
  readonly funboost?: 1;
  readonly attempt?: number;
  readonly publishedAt?: number;
  /** How often it was lost with its process, as far as BullMQ's own count does not say it. */
  readonly losses?: number;
}

/** On a job that bears no mark of ours and is ours: a set of them would cost a microsecond a job. */
const plain = Symbol("added by funboost");

/**
 * Of a job that is just read: we leave out `attempts`, which BullMQ's own add() always writes, and mark what needs
 * them. An older funboost wrote them without a mark with a delay, of which the data tells.
 */
export function seeWhose(job: Job, { opts, name }: JobJson, queue: string): void {
  const isMade = job.repeatJobKey !== undefined || job.parentKey !== undefined;
  if (name === queue && !isMade && isUnmarkedOurs(opts, job.data)) (job as Job & { [plain]?: true })[plain] = true;
}

function isUnmarkedOurs(opts: unknown, data: unknown): boolean {
  const says = typeof opts === "string" ? opts.includes('"attempts"') : "attempts" in ((opts ?? {}) as object);
  return !says || isTimed(data);
}

/** The same of one in its queue, by what its hash has. `made`: by a scheduler, or in a flow. */
export function isStoredByUs(opts: string, data: unknown, isNamed: boolean, made: boolean): boolean {
  return /"funboost":1\b/.test(opts) || (!isNamed && !made && isUnmarkedOurs(opts, data));
}

function isTimed(data: unknown): boolean {
  const extra = (data as { readonly extra?: JsonObject } | null)?.extra;
  return typeof extra === "object" && extra?.is_timed === true && typeof extra.eta === "string";
}

export function isOurs(job: Job): boolean {
  return (job as Job & { [plain]?: true })[plain] === true || (job.opts as OwnOptions).funboost === 1;
}

type Strategy = NonNullable<WorkerOptions["settings"]>["backoffStrategy"];

export function rulesOf(job: Job, strategy: Strategy): Rules {
  return {
    maxRetries: Math.ceil(Number(job.opts.attempts) || 1) - 1,
    delayMs: (attempt, error) => delayMs(job, strategy, attempt, error),
    reads,
    foreign: () => Object.fromEntries(Object.entries(job.opts).filter(([name]) => !ofItsFirstLife.has(name))),
  };
}

/** Not what it is published with again: ours, what held for its first start, and those that waited for it. */
const ofItsFirstLife: ReadonlySet<string> = new Set([
  ...["funboost", "attempt", "publishedAt", "losses", "unreadable"],
  ...["delay", "timestamp", "jobId", "deduplication", "debounce", "repeat", "repeatJobKey", "prevMillis"],
  ...["parent", "failParentOnFailure", "continueParentOnFailure"],
  ...["ignoreDependencyOnFailure", "removeDependencyOnFailure"],
]);

async function delayMs(job: Job, strategy: Strategy, attempt: number, error: Error): Promise<number | "final"> {
  const backoff = backoffOf(job.opts);
  if (!backoff) return 0;
  const { type, delay = 0, jitter = 0 } = backoff;
  if (type !== "fixed" && type !== "exponential" && !strategy) {
    const name = JSON.stringify(type);
    throw new Error(`job ${job.id} has the backoff ${name}. Give brokerOptions.worker.settings.backoffStrategy.`);
  }
  if (type === "fixed" || type === "exponential") {
    const whole = type === "fixed" ? delay : Math.round(2 ** (attempt - 1) * delay);
    return jitter > 0 ? Math.floor(whole * (1 - jitter) + Math.random() * whole * jitter) : whole;
  }
  const answer = await strategy?.(attempt, type, error, job);
  return answer === -1 ? "final" : Number(answer) || 0;
}

/** A number is a fixed one. */
function backoffOf({ backoff }: JobsOptions) {
  return typeof backoff === "number" ? { type: "fixed", delay: backoff } : backoff;
}

const moves = new Set(["DelayedError", "WaitingError", "WaitingChildrenError"]);
/** BullMQ knows a rate limit by this text alone. */
export const rateLimited = "bullmq:rateLimitExceeded";

/** By name, of its class or of one that it extends: it may come from another copy of BullMQ. */
function reads(error: unknown): "final" | "moved" | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  try {
    if ((error as Error).message === rateLimited) return "moved";
    for (const name of namesOf(error)) {
      if (moves.has(name)) return "moved";
      if (name === "UnrecoverableError") return "final";
    }
  } catch {
    // A getter, or a proxy, that throws.
  }
  return undefined;
}

function* namesOf(error: object): Generator<string> {
  yield String((error as Error).name);
  for (let each = Object.getPrototypeOf(error); each; each = Object.getPrototypeOf(each))
    yield String(each.constructor?.name);
}
