/** task.stats(): what a queue has done and what waited in it, minute by minute. */

import { clock } from "../base/clock.ts";
import { type Duration, durationMs } from "../base/duration.ts";
import { checkMembers, durationAboveZero, refuseOption } from "../options/checks.ts";
import type { OpenQueue } from "../setup/model.ts";
import { requireStore } from "../store/require-store.ts";
import { bucketKey, bucketTtlMs, minuteMs, minuteOf } from "./stats-buckets.ts";
import { tallyFields } from "./tally.ts";

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

const shown = [...tallyFields, "ready", "delayed"] as const;

export async function queueStats(task: OpenQueue, query: StatsQuery = {}): Promise<StatsPoint[]> {
  const store = requireStore(task, "stats()");
  const { from, to, stepMinutes } = rangeOf(query);
  const minutes = Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
  const texts = await store.get(minutes.flatMap((minute) => keysOf(task, minute)));
  const buckets = minutes.map((_, i) => shown.map((_, field) => texts[i * shown.length + field]));
  const points: StatsPoint[] = [];
  for (let start = 0; start < minutes.length; start += stepMinutes)
    points.push(pointOf(from + start, buckets.slice(start, start + stepMinutes)));
  return points;
}

/** What waits has no names to an engine that counts. */
function keysOf({ scope, options }: OpenQueue, minute: number): readonly string[] {
  const ofJob = tallyFields.map((field) => bucketKey(scope, minute, field, options.job));
  return [...ofJob, bucketKey(scope, minute, "ready"), bucketKey(scope, minute, "delayed")];
}

function pointOf(minute: number, buckets: readonly (readonly (string | undefined)[])[]): StatsPoint {
  const sum = (field: number) => buckets.reduce((all, bucket) => all + Number(bucket[field] ?? 0), 0);
  const [ran, failed, retried, ms] = tallyFields.map((_, i) => sum(i)) as [number, number, number, number];
  const sampled = buckets
    .findLast((bucket) => bucket[tallyFields.length] !== undefined)
    ?.slice(tallyFields.length)
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
  const from = Math.max(minuteOf(Number(query.from ?? now - 60 * minuteMs)), minuteOf(now - bucketTtlMs));
  return { from, to, stepMinutes: Math.max(1, Math.round(durationMs(query.step ?? "1m", "step") / minuteMs)) };
}
