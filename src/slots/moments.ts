/**
 * The moments at which one process may start something, as it has reserved them in the store, and which of them it may
 * use now.
 *
 * The promise: in any sliding second start at most as many as have their moment in it, or in the slack before it. Over
 * all processes these are the limit and one. A start that is in time keeps the promise by itself. Late ones come on top
 * of what belongs into the seconds that began meanwhile: so they are made if in each of these seconds as many other
 * moments stay unused as were late when it began. Nothing is lost by that: those are used late in turn, as soon as they
 * may.
 */
import type { Limit } from "../options/qps.ts";
import { countWhile } from "./count-while.ts";

/** When it is due, as near as we know: between these two, which are as far apart as the store's answer took. */
export interface Moment {
  readonly from: number;
  readonly to: number;
}

/** Seconds that began while so many moments were late, and in which something has started since. */
interface Late {
  owed: number;
  /** When the first of these seconds ends, and the last one. */
  readonly firstEnd: number;
  readonly lastEnd: number;
}

export interface Moments {
  add(moments: readonly Moment[]): void;
  /**
   * 0: one is used. Else in how many milliseconds that may be tried again, Infinity when only more moments can help.
   */
  take(now: number): number;
  /** Those that are not late yet. */
  ahead(now: number): number;
  /** How many more than are started must be reserved, for late ones to be made up for. */
  owed(): number;
  /**
   * How many more must be reserved before the first may start: where answers come later than is late, one alone never
   * may.
   */
  lacking(now: number): number;
  last(): number;
}

/**
 * Later than this is late. Of the 20 ms of slack that the promise has, as much again goes to the store, where it keeps
 * a start that comes late from moving the later ones, and the rest to the way from here to the function.
 */
export const lateMs = 8;
/** For that way. */
const wayMs = 4;
/** What is made up for at once. */
const burstMs = 50;
/** Seconds whose beginnings are this near to each other are one. */
const nearMs = 10;

interface State {
  readonly everyMs: number;
  /** The sliding time; also how late a moment may still be used. */
  readonly windowMs: number;
  readonly lateMs: number;
  /** By `to`. */
  readonly pending: Moment[];
  /** In order. */
  readonly late: Late[];
  /** Up to here `late` tells which seconds began late. */
  seenUntil: number;
  /** Late ones are made up for at twice the rate. */
  notBefore: number;
}

export function createMoments({ perMs, count, spaced }: Limit, late = lateMs): Moments {
  const everyMs = perMs / count;
  const windowMs = spaced ? Math.max(perMs, everyMs) + wayMs : 0; // a cap's moment is given up
  const never = Number.NEGATIVE_INFINITY;
  const state: State = { everyMs, windowMs, lateMs: late, pending: [], late: [], seenUntil: never, notBefore: never };
  return {
    add(moments) {
      state.pending.push(...moments);
      state.pending.sort((a, b) => a.to - b.to);
    },
    take: (now) => take(state, now),
    ahead: (now) => state.pending.length - countLate(state, now),
    owed: () => state.late.reduce((most, { owed }) => Math.max(most, owed), 0),
    lacking: (now) => lacking(state, now),
    last: () => state.pending.at(-1)?.to ?? 0,
  };
}

function take(state: State, now: number): number {
  forget(state, now);
  const { pending } = state;
  const [first] = pending;
  if (!first) return Number.POSITIVE_INFINITY;
  if (first.to > now) return first.to - now;
  const late = countLate(state, now);
  const waitMs = late > 0 || state.late.length > 0 ? blockedMs(state, late, now) : 0;
  if (waitMs > 0) return waitMs;
  if (late > 0) remember(state, now);
  state.seenUntil = now;
  pending.shift();
  return 0;
}

/** In the order of `to` those that are late may stand behind others: where an answer took long. */
function countLate({ pending, lateMs }: State, now: number): number {
  let count = 0;
  for (const { from } of pending) if (from < now - lateMs) count++;
  return count;
}

/**
 * The store gives the next ones `everyMs` apart, at the earliest from where the last one was or from as long ago as is
 * late. Its answer takes as long as before.
 */
function lacking(state: State, now: number): number {
  const { pending, everyMs, lateMs } = state;
  const last = pending.at(-1);
  const answerMs = last ? last.to - last.from : 0;
  if (!last || answerMs <= lateMs || countLate(state, now) < pending.length) return 0;
  return Math.ceil(Math.min((now - last.from + answerMs) / everyMs, answerMs / everyMs + 1));
}

/** Too late to be made up for: as if it had never been reserved. */
function forget(state: State, now: number): void {
  const { pending, late, lateMs, windowMs } = state;
  while ((late[0]?.lastEnd ?? now + 1) <= now) late.shift();
  while ((pending[0]?.from ?? now) < now - lateMs - windowMs) {
    pending.shift();
    for (const each of late) each.owed--;
  }
}

function blockedMs({ late, pending, notBefore }: State, lateNow: number, now: number): number {
  if (lateNow === pending.length) return Number.POSITIVE_INFINITY;
  let waitMs = lateNow > 0 ? Math.max(0, notBefore - now) : 0;
  for (const { owed, firstEnd, lastEnd } of late) {
    if (countBefore(pending, Math.max(firstEnd, now)) > owed) continue;
    const more = pending[owed]; // with this one it would do
    waitMs = Math.max(waitMs, Math.min(lastEnd, more && more.to >= firstEnd ? more.to + 1 : lastEnd) - now);
  }
  return waitMs;
}

/** Which of the seconds that began since the last start began late, and by how many. */
function remember(state: State, now: number): void {
  const { pending, everyMs, windowMs, lateMs, seenUntil } = state;
  state.notBefore = Math.max(state.notBefore, now - burstMs) + everyMs / 2;
  const lateSince = pending.flatMap(({ from }) => (from < now - lateMs ? [from + lateMs] : [])).sort((a, b) => a - b);
  for (let owed = 1; owed <= lateSince.length; owed++) {
    const from = Math.max(seenUntil, lateSince[owed - 1] as number);
    const to = lateSince[owed] ?? now;
    if (to < from) continue;
    const last = state.late.at(-1);
    if (last && from + windowMs - last.firstEnd < nearMs)
      state.late[state.late.length - 1] = {
        owed: Math.max(owed, last.owed),
        firstEnd: last.firstEnd,
        lastEnd: Math.max(to + windowMs, last.lastEnd),
      };
    else state.late.push({ owed, firstEnd: from + windowMs, lastEnd: to + windowMs });
  }
}

function countBefore(pending: readonly Moment[], time: number): number {
  return countWhile(pending.length, (i) => (pending[i] as Moment).to < time);
}
