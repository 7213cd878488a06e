/**
 * A row of starts, for stores that keep it themselves; the Redis store has the same as a script.
 *
 * The row's starts are numbered, and its places take turns. A start that did not come is moved: its place leaves the
 * row, may be used from then on, and goes on in its own time. So each place is used again `places * perMs` later at the
 * earliest, whatever is given back, and never more than `places` starts lie in such a time.
 */
import type { Reservation, ReservedStart, StartRow } from "../../src/contract/store.ts";

/** A place outside the row: the last number that it had, and from when on it may be used again. */
type Moved = readonly [number: number, freeAt: number];

export interface RowState {
  /** When the row's next start is due. */
  next: number;
  /** Its number. */
  number: number;
  /** When the last start outside the row is due. */
  last: number;
  moved: Moved[];
}

/** A place that nobody has wanted for so long is back in the row: after an idle time there is no burst. */
const wantedMs = 250;
/** So much may be late, and at most so many starts, without moving the whole row. */
const missedMs = 100;
const mostMissed = 5;
/** Each call carries them: at high rates some that did not come are lost. */
const mostMoved = 64;

export interface Reserved {
  readonly state: RowState;
  readonly reservation: Reservation;
  /** When the state says nothing any more. */
  readonly endsAt: number;
}

/** Changes the state; it is undefined where nothing is kept. */
export function reserveInRow(kept: RowState | undefined, row: StartRow, now: number): Reserved {
  const { perMs, places, slackMs, count, unused = [] } = row;
  const afresh = perMs > slackMs ? now : now - slackMs;
  const state = kept ?? { next: afresh, number: 0, last: now - perMs, moved: [] };
  for (const number of unused) giveBack(state, row, number, now);
  state.moved = state.moved.filter(([, freeAt]) => freeAt > now - wantedMs);
  moveMissed(state, row, now);
  if (state.next + slackMs < now) state.next = afresh;
  const starts: ReservedStart[] = [];
  while (starts.length < count) {
    const start = reserveOne(state, row, now);
    if (!start) break;
    starts.push(start);
  }
  const endsAt = Math.max(state.next + (places - 1) * perMs + slackMs, ...state.moved.map(([, freeAt]) => freeAt));
  return { state, reservation: { starts, nextMs: Math.max(0, state.next - now) }, endsAt };
}

const notMoved: Moved = [0, Infinity];

/** By hand, as the next one: with a full list they are most of what a start costs. */
function whereMoved({ moved }: RowState, number: number, places: number): number {
  const place = number % places;
  for (let i = 0; i < moved.length; i++) if ((moved[i] as Moved)[0] % places === place) return i;
  return -1;
}

/** Which of them may be used first. */
function firstMoved(moved: readonly Moved[]): number {
  let best = 0;
  let bestAt = Infinity;
  for (let i = 0; i < moved.length; i++) {
    const freeAt = (moved[i] as Moved)[1];
    if (freeAt >= bestAt) continue;
    best = i;
    bestAt = freeAt;
  }
  return best;
}

/** Not what was reserved again since. */
function giveBack(state: RowState, { places, perMs }: StartRow, number: number, now: number): void {
  const { moved } = state;
  const i = whereMoved(state, number, places);
  const known = moved[i];
  if (known ? known[0] !== number : number >= state.number || number < state.number - places) return;
  const dueAt = known ? known[1] - places * perMs : state.next - (state.number - number) * perMs;
  if (known && dueAt > state.last - 1) state.last -= perMs;
  if (known || moved.length < mostMoved) moved.splice(known ? i : moved.length, 1, [number, Math.max(now, dueAt)]);
}

/** Starts of the row that nobody has reserved in time. Where they are closer than the slack it does as much. */
function moveMissed(state: RowState, { perMs, places, slackMs }: StartRow, now: number): void {
  if (perMs <= slackMs) return;
  for (let n = 0; n < mostMissed && state.next + slackMs < now && state.next > now - missedMs; n++) {
    if (whereMoved(state, state.number, places) < 0) state.moved.push([state.number, now]);
    stepOn(state, perMs);
  }
}

function stepOn(state: RowState, perMs: number): void {
  state.number++;
  state.next += perMs;
}

/** The earlier of the row's next and the first beside it. */
function reserveOne(state: RowState, { places, perMs, aheadMs = Infinity, lateMs = 0 }: StartRow, now: number) {
  const { moved } = state;
  const dueAt = Math.max(now, nextInRow(state, places, perMs));
  const first = firstMoved(moved);
  const [lastNumber, freeAt] = moved[first] ?? notMoved;
  const besideAt = Math.max(now, freeAt, state.last + perMs / 2);
  const at = Math.min(dueAt, besideAt);
  if (at > now + aheadMs) return undefined;
  const again = (number: number): Moved => [number, at + places * perMs + lateMs];
  if (besideAt <= dueAt) {
    state.last = at;
    moved[first] = again(lastNumber + places);
    return { waitMs: at - now, number: lastNumber + places };
  }
  const { number } = state;
  const back = whereMoved(state, number, places);
  if (back >= 0) moved.splice(back, 1);
  if (lateMs > 0 && moved.length < mostMoved) moved.push(again(number));
  stepOn(state, perMs);
  return { waitMs: at - now, number };
}

/** Goes past the places that have left it, but for one that may be used again by then. */
function nextInRow(state: RowState, places: number, perMs: number): number {
  const { moved } = state;
  for (; ; stepOn(state, perMs)) {
    const at = whereMoved(state, state.number, places);
    if (at < 0 || (moved[at] as Moved)[1] <= state.next) return state.next;
    if (moved.length === places) return Infinity;
  }
}
