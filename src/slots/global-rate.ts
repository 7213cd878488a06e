/**
 * qps over all processes: starts are reserved in the store, each for a delivery that could start now.
 *
 * A spaced limit is one row of evenly spaced moments that all processes draw from; what is not used in time is given
 * back. A cap of `count` in `perMs` is `count` such rows, drawn from in turn, each with moments `perMs` apart: so any
 * `count + 1` starts in a row span at least `perMs`. With several limits a start goes from one to the next when it is
 * due, spaced first, then the shorter cap: what it draws is for the moment at which it starts.
 */
import { clock, createAlarm } from "../base/clock.ts";
import type { Reservation, Store } from "../contract/store.ts";
import type { Limit } from "../options/qps.ts";
import { createMoments, type Moments } from "./moments.ts";
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
const farMs = 60;
/** ... and so much at once: together an eighth of a second, which is what a killed process may lose. */
const chunkMs = 60;
/** At most this part of a cap is reserved in one call: those that are for later are lost with the process. */
const capPart = 10;
/** Of the slack that the promise has so much is the store's, where a start that comes late does not move later ones, */
const storeSlackMs = 2;
/** ... so much is for starts that come late here, and the rest for the way to the function. */
const lateMs = 8;
/** So late are timers. */
const timerMs = 3;

/** One limit, and the starts that have drawn from it, on our monotonic clock. */
interface Stage {
  readonly limit: Limit;
  readonly key: string;
  readonly moments: Moments;
  /** How long the last answers took. */
  answersMs: readonly number[];
}

interface State extends GlobalRateOptions {
  readonly stages: readonly Stage[];
  /** How many starts are drawing now. */
  drawing: number;
  notBefore: number;
  ended: boolean;
  /** Gives back what is too late, also where nothing else is asked for. */
  readonly giveBackIn: (ms: number) => void;
}

export function createGlobalRate(options: GlobalRateOptions): Rate {
  const { limits, key } = options;
  const order = [...limits].sort((a, b) => Number(b.spaced) - Number(a.spaced) || a.perMs - b.perMs);
  // The limit is part of the key: what another one had reserved before a live change says nothing about this one.
  const stages = order.map(
    (limit): Stage => ({
      limit,
      key: `${key}:${limit.count}/${limit.perMs}`,
      moments: createMoments(),
      answersMs: [],
    }),
  );
  const giveBackIn = createAlarm(() => giveBack(state));
  const state: State = { ...options, stages, drawing: 0, notBefore: 0, ended: false, giveBackIn };
  const ahead = Math.min(...limits.map((limit) => (limit.spaced ? aheadOf(limit) : Number.POSITIVE_INFINITY)), most);
  return {
    take: (startable) => take(state, startable),
    ahead() {
      const now = clock.monotonic();
      return isFar(state, now + fetchAheadMs) ? Math.min(ahead, Math.max(1, countReserved(state, now))) : ahead;
    },
    end: () => end(state),
  };
}

/** How late a start may be; a cap of a long time allows more: one that is given up is missing for all that time. */
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

function chunkOf(stage: Stage): number {
  const { count, perMs, spaced } = stage.limit;
  return Math.min(most, Math.ceil(spaced ? ((chunkMs + answerMsOf(stage)) * count) / perMs : count / capPart));
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

/** One for each delivery that could start. */
function drawFirst(state: State, startable: number, now: number): void {
  const [first] = state.stages;
  if (!first || state.drawing > 0) return;
  const late = first.limit.spaced ? first.moments.late(now) : 0;
  if (late === 0 && now < state.notBefore) return;
  const answerMs = answerMsOf(first);
  // Where it takes longer than from one start to the next, one at a time would be too few.
  const underWay = Math.floor((answerMs * first.limit.count) / first.limit.perMs);
  const wanted = startable + underWay - countReserved(state, now);
  const most = isFar(state, now + farMs + answerMs) ? late : chunkOf(first);
  if (Math.min(wanted, most) > 0) draw(state, 0, Math.min(wanted, most));
}

/** So many starts draw from this limit. */
function draw(state: State, stage: number, count: number): void {
  const from = state.stages[stage] as Stage;
  const askedAt = clock.monotonic();
  const moreMs = moreLateOf(from);
  state.drawing += count;
  const unused = from.moments.unused(askedAt);
  if (unused.length > 0) state.notBefore = Number.NEGATIVE_INFINITY;
  reserve(state.store, from, count, moreMs, unused).then(
    ({ starts, nextMs }) => {
      state.drawing -= count;
      const answeredAt = clock.monotonic();
      if (starts.length < count) waitFor(state, Math.max(0, nextMs - aheadMsOf(from.limit)) + Math.random() * chunkMs);
      from.answersMs = [answeredAt - askedAt, ...from.answersMs.slice(0, 1)];
      from.moments.add(
        starts.map(({ waitMs, number }) => ({ from: askedAt + waitMs, to: answeredAt + waitMs, number })),
        lateOf(from.limit) + moreMs,
      );
      giveBackSoon(state);
      state.wake();
    },
    (error: unknown) => {
      state.drawing -= count;
      waitFor(state, againMs);
      state.onError(error);
    },
  );
}

function waitFor(state: State, ms: number): void {
  state.notBefore = clock.monotonic() + ms;
  clock.after(ms, state.wake, { unref: true });
}

/** So far ahead must be asked where answers take long: until the next one is there. */
function answerMsOf({ limit, answersMs }: Stage): number {
  return answersMs.length < 2 || !limit.spaced ? 0 : 2 * Math.min(...answersMs);
}

/** Where the store is slow, nobody knows when exactly a start is due: it may be so much later. */
function moreLateOf({ limit, answersMs }: Stage): number {
  return answersMs.length === 0 ? 0 : Math.max(0, 1.25 * Math.min(...answersMs) + timerMs - lateOf(limit));
}

/** So many that one more start in a second than these is one above the limit, or what comes late by the slack. */
const placesOf = ({ perMs, count }: Limit): number => Math.ceil(((perMs + slackMs) * count) / perMs - 1e-9);

/** While a place has not been reserved again it can be given back: not further ahead than the others' turns. */
function aheadMsOf(limit: Limit): number {
  const everyMs = limit.perMs / limit.count;
  return (placesOf(limit) - 1) * everyMs + Math.min(everyMs / 2, fetchAheadMs);
}

/** What is too late here goes back also where nothing else is asked for. */
function giveBack(state: State): void {
  const [first] = state.stages;
  const hasLate = () => !state.ended && first !== undefined && first.moments.late(clock.monotonic()) > 0;
  if (hasLate()) state.wake(); // another takes its place here
  if (hasLate()) draw(state, 0, 0);
  giveBackSoon(state);
}

function giveBackSoon({ stages, ended, giveBackIn }: State): void {
  const [first] = stages;
  if (ended || !first?.limit.spaced) return;
  const lateAt = first.moments.lateAt();
  if (lateAt < Number.POSITIVE_INFINITY) giveBackIn(Math.max(0, lateAt - clock.monotonic()) + 1);
}

/** Nobody calls the store afterwards: it may be closed. */
async function end(state: State): Promise<void> {
  const [first] = state.stages;
  state.ended = true;
  if (!first?.limit.spaced) return;
  first.moments.end();
  const unused = first.moments.unused(clock.monotonic());
  // Where the store is away they come back by themselves, later.
  if (unused.length > 0) await reserve(state.store, first, 0, 0, unused).catch(() => {});
}

/** `moreMs`: so much later than usual they may come. */
async function reserve(
  store: Store,
  { limit, key }: Stage,
  starts: number,
  moreMs: number,
  unused: readonly number[],
): Promise<Reservation> {
  const { perMs, count, spaced } = limit;
  if (spaced) {
    const row = { perMs: perMs / count, places: placesOf(limit), slackMs: storeSlackMs, lateMs: moreMs };
    return store.reserve(key, { ...row, count: starts, aheadMs: aheadMsOf(limit), unused });
  }
  const [after = starts] = await store.increment([{ key: `${key}:next`, by: starts }]);
  // One start may be late and the next in its row on time: their distance is still `perMs`.
  const row = { perMs: perMs + lateOf(limit) + moreMs, places: 1, count: 1, slackMs: 0 };
  const each = await Promise.all(
    Array.from({ length: starts }, (_, n) => store.reserve(`${key}:${(after - starts + n) % count}`, row)),
  );
  return { starts: each.flatMap(({ starts }) => starts), nextMs: 0 };
}
