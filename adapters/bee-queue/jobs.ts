/** How the Bee-Queue adapter reads jobs, and which words it has for their ends: as Bee-Queue's own workers do. */
import { clock } from "../../src/base/clock.ts";
import type { Delivery, Settlement } from "../../src/contract/index.ts";
import { type BeeClients, isNoScript, type NodeRedis } from "./client.ts";

/** `attempt` and `ahead` are ours, beside Bee-Queue's own. */
export interface JobOptions {
  timestamp: number;
  stacktraces: unknown[];
  retries?: number;
  attempt?: number;
  ahead?: boolean;
  delay?: number;
  readonly [name: string]: unknown;
}

/** What is used of a job of Bee-Queue. */
export interface BeeJob {
  id: string | null;
  data: unknown;
  options: JobOptions;
  status: string;
  progress: unknown;
  setId(id: string): unknown;
  delayUntil(time: number): unknown;
  toData(): string;
}

/** What is used of a queue of Bee-Queue. */
export interface BeeQueue {
  readonly client: NodeRedis;
  on(event: "error", listener: (error: Error) => void): unknown;
  ready(): Promise<unknown>;
  createJob(data: unknown): BeeJob;
  checkStalledJobs(): Promise<number>;
  checkHealth(): Promise<{ readonly waiting: number; readonly active: number; readonly delayed: number }>;
  close(): Promise<unknown>;
}

/** An opened queue, for all that works on it. */
export interface OpenQueue {
  readonly name: string;
  readonly bee: BeeQueue;
  readonly clients: BeeClients;
  /** `<prefix>:<queue>:` */
  readonly base: string;
  readonly stallMs: number;
  readonly endings: Endings;
  /** Bee-Queue's scripts once more: it sends them only when it connects. */
  reload(): Promise<void>;
}

export interface Endings {
  readonly removeOnSuccess: boolean;
  readonly removeOnFailure: boolean;
  /** Most failed jobs to keep; 0: all. */
  readonly keepFailed: number;
  /** Tells Bee-Queue's own listeners in other processes. */
  readonly sendEvents: boolean;
}

/** Runs a call of Bee-Queue that runs a script of it. */
export async function withScripts<T>({ reload }: Pick<OpenQueue, "reload">, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!isNoScript(error)) throw error;
    await reload();
    return call();
  }
}

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
  return {
    id,
    body: job.data,
    // Bee-Queue's own workers count by the errors that they write down.
    attempt: Math.max(Number(options.attempt) || 1, options.stacktraces.length + 1),
    crashes,
    ahead: options.ahead === true,
    publishedAt: options.timestamp,
    native: job,
    token,
    text,
  };
}

export function bodyOf(text: string): unknown {
  const stored = parse(text);
  return stored ? stored.data : text;
}

/** Undefined for what no version of Bee-Queue writes: whoever put it there, it must not hold up the others. */
function parse(text: string): BeeJob | undefined {
  try {
    const stored = JSON.parse(text) as BeeJob | null;
    return typeof stored === "object" && stored !== null && "data" in stored ? stored : undefined;
  } catch {
    return undefined;
  }
}

/** Where a job goes, what is written down of it, and what its listeners are told. */
export type Ending = readonly [to: string | number, data: string, event: string];

const keptStacks = 10;

export function endingOf(
  { native: job, attempt, ahead, text }: BeeDelivery,
  settlement: Settlement,
  endings: Endings,
): Ending {
  const written = (status: string, error?: Error) => writeDown(job, text, status, error);
  const told = (event: string, data: unknown) => (endings.sendEvents ? stringify({ id: job.id, event, data }) : "");
  switch (settlement.outcome) {
    case "done":
      return [
        ...(endings.removeOnSuccess ? gone : (["succeeded", written("succeeded")] as const)),
        told("succeeded", settlement.result),
      ];
    case "failed":
      return [
        ...(endings.removeOnFailure ? gone : (["failed", written("failed", settlement.error)] as const)),
        told("failed", settlement.error.message),
      ];
    case "retry":
      job.options.attempt = attempt + 1;
      job.options.retries = Math.max(0, (job.options.retries ?? 0) - 1); // what Bee-Queue would have left; the core counts by itself
      return [
        again(settlement.delayMs, ahead ? "front" : "waiting"),
        written("retrying", settlement.error),
        told("retrying", settlement.error.message),
      ];
    case "postponed":
      return [again(settlement.delayMs, "waiting"), "", ""];
    case "returned":
      return ["front", "", ""];
  }
}

const again = (delayMs: number, now: string) => (delayMs > 0 ? Math.ceil(clock.now() + delayMs) : now);

const gone = ["gone", ""] as const;

function writeDown(job: BeeJob, text: string, status: string, error?: Error): string {
  job.status = status;
  job.data = bodyOf(text);
  if (error)
    job.options.stacktraces = [String(error.stack ?? error.message), ...job.options.stacktraces].slice(0, keptStacks);
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
