/**
 * Which delivery may run now. Pure bookkeeping: no engine, no task.
 *
 * A run takes a slot. While it waits for another task it is suspended: its slot is free for others, and it takes the
 * next free one when its wait ends, before any new delivery. So the limit is never exceeded, and waiting cannot
 * deadlock: at `maxSuspended` only deliveries marked `ahead` (children of running tasks) may start.
 */
import type { Delivery, Settlement } from "../contract/broker.ts";
import type { Rate } from "./rate.ts";
import { type RunEnd, TakenSlot, type Trial } from "./slot.ts";
import { createState, type SlotsOptions, type SlotsState as State, type Waiting } from "./state.ts";
import {
  addSuspect,
  hasLeft,
  hasSuspects,
  putOut,
  suspectAt,
  takeResuming,
  takeSurplus,
  takeTurns,
  trialOf,
} from "./trials.ts";
import { updateWindow, type WindowState } from "./window.ts";

export interface Slots {
  handle(delivery: Delivery): Promise<Settlement>;
  /** The engine has what became of it. */
  settled(delivery: Delivery): void;
  setLimit(n: number): void;
  setRate(rate: Rate | undefined): void;
  /** Starts all that may start now: something outside has changed. */
  pump(): void;
  /** Sends the window again, to an adapter that has only now begun to consume. */
  refreshWindow(): void;
  /** Closed: nothing starts, what waits here is returned. */
  setMode(mode: WindowState["mode"]): void;
  /** Runs under way, suspended ones included. */
  running(): number;
  suspended(): number;
  /** Settles when nothing runs. */
  idle(): Promise<void>;
  /** What may still run here holds up the trials of no other queue. */
  leave(): void;
}

const returned: Settlement = { outcome: "returned" };
/** How long a delivery stays away that may not start while others are suspended. */
const postponedMs = 250;
/** How long a suspect stays away where as many as may run wait here already. */
const crowdedMs = 1_000;

export function createSlots(options: SlotsOptions): Slots {
  const state = createState(options, pump);
  return {
    handle: (delivery) => handle(state, delivery),
    settled: (delivery) => void (hasLeft(state, delivery) && pump(state)),
    setLimit(n) {
      state.limit = n;
      pump(state);
    },
    setRate(rate) {
      state.rate = rate;
      pump(state);
    },
    pump: () => pump(state),
    setMode: (mode) => setMode(state, mode),
    refreshWindow() {
      state.sentWindow = -1;
      updateWindow(state);
    },
    running: () => state.running + state.suspended,
    suspended: () => state.suspended,
    idle: () => (isIdle(state) ? Promise.resolve() : new Promise((wake) => state.idlers.push(wake))),
    leave: () => state.trialLine.give(state),
  };
}

function handle(state: State, delivery: Delivery): Promise<Settlement> {
  const { crashes } = delivery;
  if (crashes === undefined || crashes < suspectAt) return handlePlain(state, delivery);
  const losses = state.lossesOf?.(delivery) ?? crashes;
  return losses instanceof Promise
    ? losses.then((found) => handleLost(state, delivery, found))
    : handleLost(state, delivery, losses);
}

function handlePlain(state: State, delivery: Delivery): Promise<Settlement> {
  const { rate, ahead, waiting, limit, trials } = state;
  if (ahead.length + waiting.length === 0 && mayStart(state, delivery) && (!rate || rate.take(1) === 0))
    return begin(state, delivery);
  if (state.mode === "closed") return Promise.resolve(returned);
  if (trials.turn !== "others") return Promise.resolve(putOut(state, delivery, returned));
  if (!delivery.ahead && onlyChildren(state) && waiting.length >= limit) {
    if (state.mode === "open") state.onFull?.();
    return Promise.resolve(putAway(state));
  }
  return new Promise((settle) => {
    (delivery.ahead ? ahead : waiting).push({ delivery, settle });
    pump(state);
  });
}

function handleLost(state: State, delivery: Delivery, losses: number): Promise<Settlement> {
  if (losses < suspectAt) return handlePlain(state, delivery);
  const { mode, trials, limit } = state;
  if (mode === "closed") return Promise.resolve(returned);
  if (!delivery.ahead && trials.waiting.length >= limit)
    return Promise.resolve(putOut(state, delivery, { outcome: "postponed", delayMs: crowdedMs }));
  return new Promise((settle) => {
    addSuspect(state, { delivery, settle, losses });
    pump(state);
  });
}

/** Behind what waits, where the children may be that free us; to the front where nobody waits for any. */
function putAway({ suspended }: State): Settlement {
  return suspended > 0 ? { outcome: "postponed", delayMs: postponedMs } : returned;
}

function onlyChildren({ mode, suspended, maxSuspended }: State): boolean {
  return mode === "children" || suspended >= maxSuspended;
}

function mayStart(state: State, delivery: Delivery): boolean {
  const { mode, running, limit, resuming, trials } = state;
  if (mode === "closed" || running >= limit || resuming.length > 0 || trials.turn !== "others") return false;
  return hasPlace(state) && (delivery.ahead === true || !onlyChildren(state));
}

/** Waits in the pool's line where there is none. */
function hasPlace(state: State): boolean {
  const { pool } = state;
  if (!pool || pool.used < pool.size) return true;
  pool.wait(state.goOn);
  return false;
}

/** All that has not started. */
function returnAll({ ahead, waiting, trials }: State): void {
  // Last first: each goes to the front, so the first ends up foremost.
  const all = [...trials.waiting.splice(0), ...ahead.splice(0), ...waiting.splice(0)];
  for (const { settle } of all.reverse()) settle(returned);
}

/** The question costs a look at the clock: it is asked only where something waits. */
function mustReturn({ ahead, waiting, trials, mayBeLost }: State): boolean {
  return ahead.length + waiting.length + trials.waiting.length > 0 && mayBeLost?.() === true;
}

function begin(state: State, delivery: Delivery, trial?: Trial): Promise<Settlement> {
  const slot = new TakenSlot(state, pump, trial);
  if (state.rate || state.pool) updateWindow(state);
  const ended = state.run(delivery, slot);
  // No await here: with async hooks in use each promise of a run counts.
  if (!(ended instanceof Promise)) return Promise.resolve(settle(state, slot, ended));
  return ended.then(
    (each) => settle(state, slot, each),
    (error: unknown) => {
      release(state, slot);
      throw error;
    },
  );
}

function settle(state: State, slot: TakenSlot, ended: RunEnd): Settlement {
  if (ended.returned) void ended.returned.finally(() => release(state, slot));
  else release(state, slot);
  return ended.settlement;
}

function release(state: State, slot: TakenSlot): void {
  const { rate, trials, resuming, ahead, waiting, idlers } = state;
  slot.end();
  if (slot.trial) trials.isOpen = false;
  if (resuming.length > 0 || ahead.length > 0 || waiting.length > 0 || hasSuspects(state)) pump(state);
  else if (rate) updateWindow(state);
  if (idlers.length > 0 && isIdle(state)) for (const wake of idlers.splice(0)) wake();
}

const isIdle = ({ running, suspended }: State): boolean => running + suspended === 0;

/** Starts all that may start now. */
function pump(state: State): void {
  const inside = state.pumping;
  state.pumping = "again"; // a run that ends at once pumps while we do: thousands of these must not stand on each other
  if (inside) return;
  while (state.pumping === "again") {
    state.pumping = "once";
    if (mustReturn(state)) returnAll(state);
    else if (hasSuspects(state)) letSuspects(state);
    resumeWaiting(state);
    startWaiting(state);
  }
  state.pumping = undefined;
  updateWindow(state);
}

function startWaiting(state: State): void {
  for (let list = nextWaiting(state); list; list = nextWaiting(state)) {
    const waitMs = state.rate
      ? state.rate.take(Math.min(state.limit - state.running, state.ahead.length + state.waiting.length))
      : 0;
    if (waitMs > 0) return state.goOnIn(waitMs);
    const entry = list.shift();
    entry?.settle(begin(state, entry.delivery));
  }
}

function nextWaiting(state: State): Waiting[] | undefined {
  const list = state.ahead.length > 0 ? state.ahead : state.waiting;
  return list[0] && mayStart(state, list[0].delivery) ? list : undefined;
}

function resumeWaiting(state: State): void {
  const { resuming, trials } = state;
  while (resuming.length + trials.resuming.length > 0 && hasRoom(state)) {
    const next = takeResuming(state);
    if (!next) return;
    next.go();
  }
}

function letSuspects(state: State): void {
  takeTurns(
    state,
    ({ delivery, settle, losses }) => settle(begin(state, delivery, trialOf(state, losses))),
    (how) => hasRoom(state) && (how === "resume" || isDue(state)),
  );
  if (state.trials.turn === "others") return;
  const surplus = [...state.ahead.splice(0), ...state.waiting.splice(0), ...takeSurplus(state)];
  if (surplus.length === 0) return;
  updateWindow(state, true);
  for (const { delivery, settle } of surplus.reverse()) settle(putOut(state, delivery, returned));
}

const hasRoom = (state: State): boolean => state.running < state.limit && hasPlace(state);

function isDue(state: State): boolean {
  const waitMs = state.rate?.take(1) ?? 0;
  if (waitMs > 0) state.goOnIn(waitMs);
  return waitMs === 0;
}

function setMode(state: State, mode: WindowState["mode"]): void {
  state.mode = mode;
  updateWindow(state, true);
  if (mode === "closed") returnAll(state);
  pump(state);
}
