/** What a queue has done: counted in each process, added up in the store once a second, one bucket a minute; and what waited, sampled by one process. */
import { checkMembers, durationAboveZero, refuseOption } from "./checks.ts";
import { clock, repeat } from "./clock.ts";
import type { Store } from "./contract/store.ts";
import { type Duration, durationMs } from "./duration.ts";
import { needsStore } from "./features.ts";
import type { Runtime } from "./runtime.ts";

/** Runs of this process that nobody has added up yet. A run counts when it ends, however it ends. */
export interface Tally {
  ran: number;
  failed: number;
  ms: number;
}

export interface QueueInfo {
  readonly queue: string;
  readonly broker: string;
  readonly paused: boolean | undefined;
  /** Messages; undefined where the engine cannot count. */
  readonly ready: number | undefined;
  readonly delayed: number | undefined;
  readonly running: number | undefined;
  /** Runs that ended, since the queue is used, and in the last whole minute and the seconds since. */
  readonly ran: number;
  readonly failed: number;
  readonly ranPerMinute: number;
  readonly failedPerMinute: number;
  /** Mean time of a run, of those in the last minutes. */
  readonly meanMs: number | undefined;
  /** When what is ready will have run, at the rate of the last minutes. */
  readonly etaMs: number | undefined;
}

export interface StatsQuery {
  /** @default an hour ago */
  readonly from?: Date | number;
  /** @default now */
  readonly to?: Date | number;
  /** One minute at least; whole minutes. @default "1m" */
  readonly step?: Duration;
}

export interface StatsPoint {
  /** Its beginning. */
  readonly at: Date;
  readonly ran: number;
  readonly failed: number;
  readonly meanMs: number | undefined;
  /** What waited at its end, as sampled. */
  readonly ready: number | undefined;
  readonly delayed: number | undefined;
}

const addMs = 1_000;
const minuteMs = 60_000;
const keptMs = 48 * 60 * minuteMs;
const fields = ["ran", "failed", "ms"] as const;

const minuteOf = (ms: number) => Math.floor(ms / minuteMs);
const totalKey = (scope: string, field: string) => `stats:${encodeURIComponent(scope)}:${field}`;
const bucketKey = (scope: string, minute: number, field: string) => `stats:${encodeURIComponent(scope)}:${minute}:${field}`;

/** Adds up until it is stopped, which adds the rest. */
export function startStats(runtime: Runtime, tally: Tally, onError: (error: unknown) => void): () => Promise<void> {
  const { store, scope } = runtime;
  if (!store) return async () => {};
  let sampled = 0;
  const add = async () => {
    const { ran, failed, ms } = tally;
    if (ran === 0) return;
    Object.assign(tally, { ran: tally.ran - ran, failed: tally.failed - failed, ms: tally.ms - ms });
    await addUp(store, scope, { ran, failed, ms }).catch((error) => {
      Object.assign(tally, { ran: tally.ran + ran, failed: tally.failed + failed, ms: tally.ms + ms });
      throw error;
    });
  };
  const stop = repeat(
    addMs,
    async () => {
      await add();
      const minute = minuteOf(clock.now());
      if (minute === sampled) return;
      sampled = minute;
      await sample(runtime, store, minute);
    },
    onError,
  );
  return async () => {
    await stop();
    await add().catch(onError);
  };
}

function addUp(store: Store, scope: string, tally: Tally): Promise<unknown> {
  const minute = minuteOf(clock.now());
  return store.increment(
    fields.flatMap((field) => [
      { key: totalKey(scope, field), by: Math.round(tally[field]) },
      { key: bucketKey(scope, minute, field), by: Math.round(tally[field]), ttlMs: keptMs },
    ]),
  );
}

/** By whoever is first in this minute. */
async function sample({ queue, scope }: Runtime, store: Store, minute: number): Promise<void> {
  if (!queue.count || !(await store.lease(`sample:${scope}:${minute}`, `${process.pid}-${Math.random()}`, 2 * minuteMs))) return;
  const { ready, delayed } = await queue.count();
  await store.set([{ key: bucketKey(scope, minute, "waiting"), value: `${ready} ${delayed}`, ttlMs: keptMs }]);
}

export async function queueInfo(runtime: Runtime): Promise<QueueInfo> {
  const { store, scope, queue, options, brokerName } = runtime;
  if (!store) throw needsStore(brokerName, "info()");
  const now = clock.now();
  const minute = minuteOf(now);
  const [counts, paused, totals, buckets] = await Promise.all([
    queue.count?.(),
    queue.paused?.(),
    readNumbers(
      store,
      fields.map((field) => totalKey(scope, field)),
    ),
    readNumbers(
      store,
      [minute - 1, minute].flatMap((each) => fields.map((field) => bucketKey(scope, each, field))),
    ),
  ]);
  const [ran = 0, failed = 0] = totals;
  const [ranBefore = 0, failedBefore = 0, msBefore = 0, ranNow = 0, failedNow = 0, msNow = 0] = buckets;
  const spanMs = minuteMs + (now % minuteMs);
  const perMinute = (n: number) => (n * minuteMs) / spanMs;
  const recent = ranBefore + ranNow;
  return {
    queue: options.queue,
    broker: brokerName,
    paused,
    ready: counts?.ready,
    delayed: counts?.delayed,
    running: counts?.running,
    ran,
    failed,
    ranPerMinute: perMinute(recent),
    failedPerMinute: perMinute(failedBefore + failedNow),
    meanMs: recent > 0 ? (msBefore + msNow) / recent : undefined,
    etaMs: counts && recent > 0 ? (counts.ready * spanMs) / recent : counts?.ready === 0 ? 0 : undefined,
  };
}

async function readNumbers(store: Store, keys: readonly string[]): Promise<number[]> {
  return (await store.get(keys)).map((text) => Number(text ?? 0));
}

export async function queueStats({ store, scope, brokerName }: Runtime, query: StatsQuery = {}): Promise<StatsPoint[]> {
  if (!store) throw needsStore(brokerName, "stats()");
  const { from, to, stepMinutes } = rangeOf(query);
  const minutes = Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
  const [numbers, waiting] = await Promise.all([
    readNumbers(
      store,
      minutes.flatMap((minute) => fields.map((field) => bucketKey(scope, minute, field))),
    ),
    store.get(minutes.map((minute) => bucketKey(scope, minute, "waiting"))),
  ]);
  const points: StatsPoint[] = [];
  for (let start = 0; start < minutes.length; start += stepMinutes) {
    const sum = (field: number) => minutes.slice(start, start + stepMinutes).reduce((all, _, i) => all + (numbers[(start + i) * 3 + field] ?? 0), 0);
    const last = waiting.slice(start, start + stepMinutes).findLast((each) => each !== undefined);
    const [ready, delayed] = last?.split(" ").map(Number) ?? [];
    points.push({ at: new Date((from + start) * minuteMs), ran: sum(0), failed: sum(1), meanMs: sum(0) > 0 ? sum(2) / sum(0) : undefined, ready, delayed });
  }
  return points;
}

function rangeOf(query: StatsQuery): { from: number; to: number; stepMinutes: number } {
  const time = (value: unknown, name: string) => {
    if (!(value instanceof Date ? Number.isFinite(value.getTime()) : Number.isFinite(value) && Number(value) > 0))
      refuseOption(name, value, "a Date or epoch milliseconds");
  };
  checkMembers({ ...query }, { from: time, to: time, step: durationAboveZero });
  const now = clock.now();
  const to = minuteOf(Math.min(Number(query.to ?? now), now)) + 1;
  const from = Math.max(minuteOf(Number(query.from ?? now - 60 * minuteMs)), minuteOf(now - keptMs));
  return { from, to, stepMinutes: Math.max(1, Math.round(durationMs(query.step ?? "1m", "step") / minuteMs)) };
}
