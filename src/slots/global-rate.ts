/**
 * qps over all processes: starts are reserved in the store, each for a delivery that could start now.
 *
 * A spaced limit is one row of evenly spaced moments that all processes draw from. A cap of `count` in `perMs` is
 * `count` such rows, drawn from in turn, each with moments `perMs` apart: so any `count + 1` starts in a row span at
 * least `perMs`. With several limits a start goes from one to the next when it is due, spaced first, then the shorter
 * cap: what it draws is for the moment at which it starts.
 */
import { clock } from "../base/clock.ts";
import type { Store } from "../contract/store.ts";
import type { Limit } from "../options/qps.ts";
import { createMoments, lateMs, type Moment, type Moments } from "./moments.ts";
import { aheadOf, fetchAheadMs, type Rate, slackMs } from "./rate.ts";

export interface GlobalRateOptions {
  readonly store: Store;
  /** The same for all consumers of the queue. */
  readonly key: string;
  readonly limits: readonly Limit[];
  /** Something became due, or may be asked again. */
  readonly wake: () => void;
  /** The store does not answer: nothing starts until it does. */
  readonly onError: (error: unknown) => void;
}

/** After the store failed. */
const againMs = 500;
/** At most so many reservations in one call. */
const most = 1_000;
/** Nothing more is reserved once the last one is so far away ... */
const farMs = 150;
/** ... and so much at once: together a quarter of a second, which is what a killed process may lose. */
const chunkMs = 100;
/** At most this part of a cap is reserved in one call: those that are for later are lost with the process. */
const capPart = 10;

/** One limit, and the starts that have drawn from it, on our monotonic clock. */
interface Stage {
  readonly limit: Limit;
  readonly key: string;
  readonly moments: Moments;
  /** How long the last one took. */
  answerMs: number;
}

interface State extends GlobalRateOptions {
  readonly stages: readonly Stage[];
  /** How many starts are drawing now. */
  drawing: number;
  notBefore: number;
}

export function createGlobalRate(options: GlobalRateOptions): Rate {
  const { limits, key } = options;
  const order = [...limits].sort((a, b) => Number(b.spaced) - Number(a.spaced) || a.perMs - b.perMs);
  // The limit is part of the key: what another one had reserved before a live change says nothing about this one.
  const stages = order.map((limit) => ({
    limit,
    key: `${key}:${limit.count}/${limit.perMs}`,
    moments: createMoments(limit, lateOf(limit)),
    answerMs: 0,
  }));
  const state: State = { ...options, stages, drawing: 0, notBefore: 0 };
  const ahead = Math.min(...limits.map((limit) => (limit.spaced ? aheadOf(limit) : Number.POSITIVE_INFINITY)), most);
  return {
    take: (startable) => take(state, startable),
    ahead() {
      const now = clock.monotonic();
      return isFar(state, now + fetchAheadMs) ? Math.min(ahead, Math.max(1, countReserved(state, now))) : ahead;
    },
  };
}

/** A cap of a long time keeps more for late starts: one that is given up is missing for all that time. */
function lateOf({ perMs, spaced }: Limit): number {
  return spaced ? lateMs : Math.max(slackMs, Math.min(fetchAheadMs, perMs / 100));
}

/** Starts that have drawn from a limit, or do now. */
function countReserved({ stages, drawing }: State, now: number): number {
  return stages.reduce((all, { moments }) => all + moments.ahead(now), drawing);
}

/** A limit is used up for now: nothing more need be reserved, or held. */
function isFar({ stages }: State, then: number): boolean {
  return stages.some(({ moments }) => moments.last() >= then);
}

function chunkOf({ limit }: Stage): number {
  return Math.min(most, Math.ceil(limit.spaced ? (chunkMs * limit.count) / limit.perMs : limit.count / capPart));
}

function take(state: State, startable: number): number {
  const { stages } = state;
  const now = clock.monotonic();
  let waitMs = stages.at(-1)?.moments.take(now) ?? 0;
  if (waitMs === 0) return 0;
  for (const [i, { moments }] of stages.slice(0, -1).entries()) {
    let count = 0;
    let dueMs = moments.take(now);
    for (; dueMs === 0; dueMs = moments.take(now)) count++;
    if (count > 0) draw(state, i + 1, count);
    waitMs = Math.min(waitMs, dueMs);
  }
  drawFirst(state, startable, now);
  return Math.max(1, waitMs);
}

/** One for each delivery that could start, and those that make up for late starts. */
function drawFirst(state: State, startable: number, now: number): void {
  const [first] = state.stages;
  if (!first || state.drawing > 0 || now < state.notBefore || isFar(state, now + farMs)) return;
  const wanted = startable + first.moments.owed() - countReserved(state, now);
  if (wanted > 0) draw(state, 0, Math.min(most, Math.min(wanted, chunkOf(first)) + first.moments.lacking(now)));
}

/** So many starts draw from this limit. */
function draw(state: State, stage: number, count: number): void {
  const from = state.stages[stage] as Stage;
  const askedAt = clock.monotonic();
  const moreMs = from.limit.spaced ? 0 : Math.max(0, 2 * from.answerMs - lateOf(from.limit));
  state.drawing += count;
  reserve(state.store, from, count, moreMs).then(
    (waits) => {
      state.drawing -= count;
      const answeredAt = clock.monotonic();
      from.answerMs = answeredAt - askedAt;
      const momentOf = (waitMs: number): Moment => ({ from: askedAt + waitMs + moreMs, to: answeredAt + waitMs });
      from.moments.add(waits.map(momentOf));
      state.wake();
    },
    (error: unknown) => {
      state.drawing -= count;
      state.notBefore = clock.monotonic() + againMs;
      clock.after(againMs, state.wake, { unref: true });
      state.onError(error);
    },
  );
}

/**
 * For each start how many milliseconds from now it is due. `moreMs`: that a cap's may be late, as the store is slow.
 */
async function reserve(
  store: Store,
  { limit, key }: Stage,
  starts: number,
  moreMs: number,
): Promise<readonly number[]> {
  const { perMs, count, spaced } = limit;
  if (spaced) return store.reserve(key, { perMs: perMs / count, count: starts, slackMs: lateMs });
  const [after = starts] = await store.increment([{ key: `${key}:next`, by: starts }]);
  const row = (n: number) => `${key}:${(after - starts + n) % count}`;
  // One start may be late and the next in its row on time: their distance is still `perMs`.
  const apartMs = perMs + lateOf(limit) + moreMs;
  const each = await Promise.all(
    Array.from({ length: starts }, (_, n) => store.reserve(row(n), { perMs: apartMs, count: 1, slackMs: 0 })),
  );
  return each.map(([waitMs = 0]) => waitMs);
}
