/** task.info(): what waits and runs now, what has run, how fast, and how long it will take. */
import { clock } from "../base/clock.ts";
import type { Counts } from "../contract/broker.ts";
import type { Store } from "../contract/store.ts";
import { type Limit, limitsOf } from "../options/qps.ts";
import type { OpenQueue } from "../setup/model.ts";
import { requireStore } from "../store/require-store.ts";
import { type LiveLimits, readLive } from "./live-limits.ts";
import { bucketKey, minuteMs, minuteOf, totalKey } from "./stats-buckets.ts";
import { type Tally, tallyFields, tallyOf } from "./tally.ts";

export interface QueueInfo {
  readonly queue: string;
  readonly broker: string;
  readonly paused: boolean | undefined;
  /** What `setQps()` and `setConcurrency()` have set for all processes; without them the code's own holds. */
  readonly live: LiveLimits;
  /** Messages; undefined where the engine cannot count. */
  readonly ready: number | undefined;
  readonly delayed: number | undefined;
  readonly running: number | undefined;
  /**
   * Runs that ended, however they ended, since the queue is used; in all processes, over restarts.
   * A killed process takes the counts of its last second with it.
   */
  readonly ran: number;
  /** Tasks that ended as failed or dead. */
  readonly failed: number;
  /** Runs that failed and were followed by another of the same task. */
  readonly retried: number;
  /** In the last whole minute and the seconds since, or since the first run after a break. */
  readonly ranPerMinute: number;
  readonly failedPerMinute: number;
  /** Mean time of the runs in this time. */
  readonly meanMs: number | undefined;
  /**
   * When all that is ready or runs will have ended, at this rate, or at `qps` where that is slower.
   * Delayed ones are not in it: nobody knows when they are due.
   * Undefined while the queue is paused, before a run has ended, and where the engine cannot count.
   */
  readonly etaMs: number | undefined;
}

export async function queueInfo(task: OpenQueue): Promise<QueueInfo> {
  const { scope, queue, options, brokerName } = task;
  const store = requireStore(task, "info()");
  const [counts, paused, live, done] = await Promise.all([
    queue.count?.(),
    queue.paused?.(),
    readLive(store, scope),
    readDone(store, scope),
  ]);
  const { total, recent, spanMs } = done;
  const perMinute = (n: number) => (n * minuteMs) / spanMs;
  return {
    queue: options.queue,
    broker: brokerName,
    paused,
    live,
    ready: counts?.ready,
    delayed: counts?.delayed,
    running: counts?.running,
    ran: total.ran,
    failed: total.failed,
    retried: total.retried,
    ranPerMinute: perMinute(recent.ran),
    failedPerMinute: perMinute(recent.failed),
    meanMs: recent.ran > 0 ? recent.ms / recent.ran : undefined,
    etaMs: counts && timeLeft(counts, { ...done, paused, limits: limitsInForce(task, live, done.consumers) }),
  };
}

interface Done {
  readonly total: Tally;
  readonly recent: Tally;
  /** The time of `recent`. */
  readonly spanMs: number;
  /** How many consume it, nearly: one that was started anew counts twice for a minute or two. */
  readonly consumers: number;
}

async function readDone(store: Store, scope: string): Promise<Done> {
  const now = clock.now();
  const minute = minuteOf(now);
  const bucket = (each: number) => [...tallyFields, "consumers"].map((field) => bucketKey(scope, each, field));
  const keys = [
    ...tallyFields.map((field) => totalKey(scope, field)),
    totalKey(scope, "since"),
    ...bucket(minute - 1),
    ...bucket(minute),
  ];
  const numbers = (await store.get(keys)).map((text) => Number(text ?? 0));
  const sums = (...from: number[]) =>
    tallyOf((_, i) => from.reduce((sum, first) => sum + (numbers[first + i] ?? 0), 0));
  const [before, current] = [tallyFields.length + 1, 2 * (tallyFields.length + 1)];
  return {
    total: sums(0),
    recent: sums(before, current),
    spanMs: Math.max(1_000, Math.min(minuteMs + (now % minuteMs), now - (numbers[tallyFields.length] ?? 0))),
    consumers: Math.max(numbers[before + tallyFields.length] ?? 0, numbers[current + tallyFields.length] ?? 0),
  };
}

/** Of the whole queue; undefined where nobody consumes. */
function limitsInForce({ options }: OpenQueue, { qps }: LiveLimits, consumers: number): readonly Limit[] | undefined {
  const limits = qps === undefined ? options.limits : limitsOf(qps);
  if (!limits || consumers === 0) return undefined;
  return options.qpsScope === "global" ? limits : limits.map((limit) => ({ ...limit, count: limit.count * consumers }));
}

interface Pace {
  readonly total: Pick<Tally, "ran" | "ms">;
  readonly recent: Pick<Tally, "ran" | "retried">;
  readonly spanMs: number;
  readonly paused: boolean | undefined;
  readonly limits: readonly Limit[] | undefined;
}

/** Attempts that are retried bring no task nearer to its end. */
export function timeLeft(
  { ready, running = 0 }: Counts,
  { total, recent, spanMs, paused, limits }: Pace,
): number | undefined {
  const left = ready + running;
  if (left === 0) return 0;
  if (paused) return undefined;
  const atQps = limits && Math.max(...limits.map((limit) => limitMs(limit, ready)));
  const ended = recent.ran - recent.retried;
  // Long runs: none has ended of late.
  const byMean = total.ran > 0 && total.ms > 0 ? running / (total.ms / total.ran) : 0;
  const perMs = ended > 0 ? ended / spanMs : byMean;
  if (perMs === 0) return atQps;
  return Math.max(left / perMs, atQps ?? 0);
}

/** How long so many starts take at least. */
function limitMs({ count, perMs, spaced }: Limit, starts: number): number {
  return spaced ? (starts * perMs) / count : Math.floor(Math.max(0, starts - 1) / count) * perMs;
}
