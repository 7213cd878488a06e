/**
 * Suspects: deliveries that were lost with their process while they ran, more than once. Which of them kills is found
 * by halves: lost `c` times, one runs among at most limit / 2^(c-1) of them and beside nothing else, in the end alone.
 * Such trials and all other work take turns, so that neither waits for the end of the other.
 */
import { clock } from "../base/clock.ts";
import type { Delivery, Settlement } from "../contract/broker.ts";
import type { Resuming, Trial } from "./slot.ts";
import type { SlotsState as State, Suspect } from "./state.ts";

type HasRoom = (how: "start" | "resume") => boolean;

/** Losses that make a suspect. */
export const suspectAt = 2;

/** The shortest turn of others: long enough for a fetch, which also brings suspects together. */
const leastTurnMs = 250;
/** A run whose wait is over holds what others may wait for, as a lock: it waits so long for its turn, no longer. */
const longestResumeMs = 10_000;
/** A trial that a rate or a pool keeps from beginning waits so long: other queues have suspects too. */
const longestEmptyMs = 10_000;

/** A trial waits so long for what goes back: an engine that is slow holds up no work. */
const longestLeavingMs = 2_000;

/** How many suspects run together, of which one was lost so often. */
export function trialSize(limit: number, losses: number): number {
  return Math.max(1, Math.floor(limit / 2 ** (losses - 1)));
}

/** From so many losses on a suspect is alone. */
export function aloneFrom(limit: number): number {
  return Math.max(suspectAt, Math.floor(Math.log2(limit)) + 1);
}

export function trialOf({ limit }: State, losses: number): Trial {
  return { losses, aloneFrom: trialSize(limit, losses) === 1 ? aloneFrom(limit) : undefined };
}

/** Is there any suspect here, started or not? */
export function hasSuspects({ trials }: State): boolean {
  return trials.turn !== "others" || trials.waiting.length + trials.resuming.length > 0;
}

/** Takes what may go on beside whatever runs: others unless a trial is on, and whoever has waited long for its turn. */
export function takeResuming({ trials, resuming }: State): Resuming | undefined {
  if (resuming[0] && (trials.turn !== "trial" || isOverdue(resuming[0]))) return resuming.shift();
  return trials.resuming[0] && isOverdue(trials.resuming[0]) ? trials.resuming.shift() : undefined;
}

export function addSuspect({ trials }: State, suspect: Suspect): void {
  if (trials.waiting.push(suspect) > 1 || trials.turn !== "others") return;
  trials.since = clock.monotonic();
  trials.othersUntil = Math.max(trials.othersUntil, trials.since + leastTurnMs);
}

/** Notes what goes back: no trial begins while it is still held here, or a crash would count for it too. */
export function putOut({ trials }: State, delivery: Delivery, settlement: Settlement): Settlement {
  trials.leaving.add(delivery);
  return settlement;
}

/** True: it was the last that a trial waits for. */
export function hasLeft({ trials: { leaving } }: State, delivery: Delivery): boolean {
  return leaving.size > 0 && leaving.delete(delivery) && leaving.size === 0;
}

/** Takes those that are here and not for this trial, or the next. */
export function takeSurplus(state: State): Suspect[] {
  const { waiting } = state.trials;
  const surplus = surplusOf(state);
  for (const each of surplus) waiting.splice(waiting.indexOf(each), 1);
  return surplus;
}

/** The least lost stay, each of whom makes the trial as small as it must be itself. */
function surplusOf(state: State): Suspect[] {
  const { trials, limit } = state;
  const { turn, isOpen, resuming, waiting } = trials;
  if (waiting.length === 0) return [];
  const list = [...waiting].sort((a, b) => Number(canTry(state, b)) - Number(canTry(state, a)) || a.losses - b.losses);
  if (turn === "trial" && !isOpen) return list;
  let { members, size } = turn === "trial" ? trials : { members: 0, size: limit };
  const before = members + resuming.length;
  for (const { losses } of [...resuming, ...list]) {
    size = Math.min(size, trialSize(limit, losses));
    if (members >= size) break;
    members++;
  }
  return list.slice(Math.max(0, members - before));
}

/** Says whose turn it is, and lets suspects go in theirs. `hasRoom`: one more may run, or start, at this moment. */
export function takeTurns(state: State, start: (suspect: Suspect) => void, hasRoom: HasRoom): void {
  const { trials } = state;
  if (trials.turn === "others" && isTrialDue(state)) Object.assign(trials, { turn: "drain", since: clock.monotonic() });
  if (trials.turn === "drain") beginWhenDrained(state);
  if (trials.turn === "trial") fillTrial(state, start, hasRoom);
  const [oldest] = trials.turn === "trial" ? state.resuming : trials.resuming;
  if (oldest && !isOverdue(oldest)) state.goOnIn(longestResumeMs - waitedMs(oldest)); // then each end asks again
}

function isTrialDue(state: State): boolean {
  const { trials, running, ahead, waiting, resuming } = state;
  if (!nextOf(state)) return false;
  const idle = running + ahead.length + waiting.length + resuming.length === 0;
  const until = idle ? trials.since + leastTurnMs : trials.othersUntil;
  const leftMs = until - clock.monotonic();
  if (leftMs > 0) state.goOnIn(leftMs);
  return leftMs <= 0 && state.trialLine.take(state, state.goOn);
}

function beginWhenDrained(state: State): void {
  const { trials } = state;
  if (!nextOf(state)) return giveTurnBack(state);
  if (state.running > trials.running) return void (trials.since = clock.monotonic()); // each end asks again
  const leftMs = holdsOthers(state) ? trials.since + longestLeavingMs - clock.monotonic() : 0;
  if (leftMs > 0) return state.goOnIn(leftMs); // what goes back asks again when it has gone
  trials.leaving.clear(); // an engine that never says so is not waited for twice
  Object.assign(trials, { turn: "trial", since: clock.monotonic(), members: 0, size: state.limit, isOpen: true });
}

/** Is anything here that is not for the trial? The engine may not have it yet. */
function holdsOthers(state: State): boolean {
  const { ahead, waiting, trials } = state;
  return ahead.length + waiting.length + trials.leaving.size + surplusOf(state).length > 0;
}

/** It takes members until one of them has ended: else it might never end. */
function fillTrial(state: State, start: (suspect: Suspect) => void, hasRoom: HasRoom): void {
  const { trials } = state;
  while (trials.isOpen) {
    const next = nextOf(state);
    const size = next ? Math.min(trials.size, trialSize(state.limit, next.losses)) : 0;
    if (!next || trials.members >= size) trials.isOpen = false;
    else if (hasRoom("go" in next ? "resume" : "start")) {
      Object.assign(trials, { members: trials.members + 1, size });
      if ("go" in next) take(trials.resuming, next).go();
      else start(take(trials.waiting, next));
    } else break;
  }
  if (trials.running > 0) return;
  const leftMs = trials.isOpen && trials.members === 0 ? trials.since + longestEmptyMs - clock.monotonic() : 0;
  if (leftMs > 0) state.goOnIn(leftMs);
  else giveTurnBack(state);
}

/** Others get as much time as the trial took. */
function giveTurnBack(state: State): void {
  const { trials } = state;
  const now = clock.monotonic();
  const tookMs = trials.turn === "trial" ? now - trials.since : 0;
  Object.assign(trials, { turn: "others", since: now, othersUntil: now + Math.max(leastTurnMs, tookMs) });
  state.trialLine.give(state);
}

/** Those that go on before those that start; those that were lost least are done soonest, and hold up nobody. */
function nextOf(state: State): Resuming | Suspect | undefined {
  const { resuming, waiting } = state.trials;
  return leastLost(resuming) ?? leastLost(waiting.filter((each) => canTry(state, each)));
}

function leastLost<T extends { readonly losses: number }>(list: readonly T[]): T | undefined {
  return list.reduce<T | undefined>((least, each) => (least && least.losses <= each.losses ? least : each), undefined);
}

function canTry({ mode, suspended, maxSuspended }: State, { delivery }: Suspect): boolean {
  return delivery.ahead ? mode !== "closed" : mode === "open" && suspended < maxSuspended;
}

function take<T>(list: T[], each: T): T {
  list.splice(list.indexOf(each), 1);
  return each;
}

const waitedMs = ({ since }: Resuming): number => clock.monotonic() - since;

const isOverdue = (each: Resuming): boolean => waitedMs(each) >= longestResumeMs;
