/** What a queue has done: counted in each process, added up in the store once a second, one bucket a minute; and what waited, sampled by one process. */

import { clock } from "../base/clock.ts";
import { type Duration, durationMs } from "../base/duration.ts";
import { needsStore } from "../base/errors.ts";
import type { Store } from "../contract/store.ts";
import { checkMembers, durationAboveZero, refuseOption } from "../options/checks.ts";
import type { OpenQueue } from "../setup/model.ts";
import { counted, newsOf, type Tally } from "./tally.ts";

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
  /** Runs that ended, however they ended. */
  readonly ran: number;
  /** Tasks that ended as failed or dead. */
  readonly failed: number;
  /** Runs that failed and were followed by another of the same task. */
  readonly retried: number;
  /** Mean time of these runs. */
  readonly meanMs: number | undefined;
  /** What waited, as sampled in its last minute; undefined where nobody consumed, and where the engine cannot count. */
  readonly ready: number | undefined;
  readonly delayed: number | undefined;
}

export const minuteMs = 60_000;
const keptMs = 48 * 60 * minuteMs;
/** After a break as long as this the next run is a new beginning. */
const breakMs = 90_000;
const shown = [...counted, "ready", "delayed"] as const;

export const minuteOf = (ms: number) => Math.floor(ms / minuteMs);
export const totalKey = (scope: string, field: string) => `stats:${encodeURIComponent(scope)}:${field}`;
export const bucketKey = (scope: string, minute: number, field: string) =>
  `stats:${encodeURIComponent(scope)}:${minute}:${field}`;

/** Called once a second, and once more at the end. Nothing is lost but what a killed process had not yet added. */
export function createCounter({ store, scope, queue }: OpenQueue, tally: Tally): () => Promise<void> {
  if (!store) return async () => {};
  let added = { ...tally };
  let lookedAt = clock.now();
  let activeAt = Number.NEGATIVE_INFINITY;
  let beganAt = lookedAt;
  let minuteSeen = 0;
  return async () => {
    const now = clock.now();
    const seen = { ...tally };
    const news = newsOf(seen, added);
    if (news.ran + news.failed > 0) {
      if (now - activeAt > breakMs) beganAt = lookedAt - Math.round(news.ms / Math.max(1, news.ran));
      activeAt = now;
      beganAt = Math.min(beganAt, now); // the clock may have been set back
      await keepBeginning(store, scope, beganAt); // first: counts without a beginning would be a rate of the last minutes
      await addUp(store, scope, news);
      added = seen;
    }
    lookedAt = now;
    if (minuteOf(now) === minuteSeen) return;
    minuteSeen = minuteOf(now);
    await store.increment([{ key: bucketKey(scope, minuteSeen, "consumers"), by: 1, ttlMs: 5 * minuteMs }]);
    await sample(store, scope, queue, minuteSeen);
  };
}

function addUp(store: Store, scope: string, news: Tally): Promise<unknown> {
  const minute = minuteOf(clock.now());
  const counters = counted.flatMap((field) => [
    { key: totalKey(scope, field), by: Math.round(news[field]) },
    { key: bucketKey(scope, minute, field), by: Math.round(news[field]), ttlMs: keptMs },
  ]);
  return store.increment(counters);
}

/** Of what goes on without a break, in all processes: the rate's time begins there. */
async function keepBeginning(store: Store, scope: string, beganAt: number): Promise<void> {
  const key = totalKey(scope, "since");
  const [since] = await store.get([key]);
  await store.set([{ key, value: String(Math.min(beganAt, Number(since ?? beganAt))), ttlMs: breakMs }]);
}

/** By whoever is first in this minute. Counters, so that a second sample would show. */
async function sample(store: Store, scope: string, queue: OpenQueue["queue"], minute: number): Promise<void> {
  if (
    !queue.count ||
    !(await store.lease(`sample:${scope}:${minute}`, `${process.pid}-${Math.random()}`, 2 * minuteMs))
  )
    return;
  const { ready, delayed } = await queue.count();
  if (minuteOf(clock.now()) !== minute) return; // it stood still meanwhile: no sample rather than a wrong one
  await store.increment(
    Object.entries({ ready, delayed }).map(([field, by]) => ({
      key: bucketKey(scope, minute, field),
      by,
      ttlMs: keptMs,
    })),
  );
}

export async function queueStats(
  { store, scope, brokerName }: OpenQueue,
  query: StatsQuery = {},
): Promise<StatsPoint[]> {
  if (!store) throw needsStore(brokerName, "stats()");
  const { from, to, stepMinutes } = rangeOf(query);
  const minutes = Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
  const texts = await store.get(minutes.flatMap((minute) => shown.map((field) => bucketKey(scope, minute, field))));
  const buckets = minutes.map((_, i) => shown.map((_, field) => texts[i * shown.length + field]));
  const points: StatsPoint[] = [];
  for (let start = 0; start < minutes.length; start += stepMinutes)
    points.push(pointOf(from + start, buckets.slice(start, start + stepMinutes)));
  return points;
}

function pointOf(minute: number, buckets: readonly (readonly (string | undefined)[])[]): StatsPoint {
  const sum = (field: number) => buckets.reduce((all, bucket) => all + Number(bucket[field] ?? 0), 0);
  const [ran, failed, retried, ms] = counted.map((_, i) => sum(i)) as [number, number, number, number];
  const sampled = buckets
    .findLast((bucket) => bucket[counted.length] !== undefined)
    ?.slice(counted.length)
    .map(Number);
  return {
    at: new Date(minute * minuteMs),
    ran,
    failed,
    retried,
    meanMs: ran > 0 ? ms / ran : undefined,
    ready: sampled?.[0],
    delayed: sampled?.[1],
  };
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
