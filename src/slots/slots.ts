/**
 * Which delivery may run now. Pure bookkeeping: no engine, no task.
 *
 * A run takes a slot. While it waits for another task it is suspended: its slot is free for others, and it takes the
 * next free one when its wait ends, before any new delivery. So the limit is never exceeded, and waiting cannot
 * deadlock: at `maxSuspended` only deliveries marked `ahead` (children of running tasks) may start.
 */
import type { Delivery, Settlement } from "../contract/broker.ts";
import type { Rate } from "./rate.ts";
import { type RunEnd, TakenSlot } from "./slot.ts";
import { createState, type SlotsOptions, type SlotsState as State, type Waiting } from "./state.ts";
import { updateWindow, type WindowState } from "./window.ts";

export interface Slots {
  handle(delivery: Delivery): Promise<Settlement>;
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
}

const returned: Settlement = { outcome: "returned" };
/** How long a delivery stays away that may not start while others are suspended. */
const postponedMs = 250;

export function createSlots(options: SlotsOptions): Slots {
  const state = createState(options, pump);
  return {
    handle: (delivery) => handle(state, delivery),
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
  };
}

function handle(state: State, delivery: Delivery): Promise<Settlement> {
  const { rate, ahead, waiting, limit } = state;
  if ((delivery.crashes ?? 0) >= 2 && !isChildOfAlone(state, delivery)) return handleAlone(state, delivery);
  if (ahead.length + waiting.length === 0 && mayStart(state, delivery) && (!rate || rate.take(1) === 0))
    return begin(state, delivery);
  if (state.mode === "closed") return Promise.resolve(returned);
  if (!delivery.ahead && (state.alone || (onlyChildren(state) && waiting.length >= limit))) {
    if (!state.alone && state.mode === "open") state.onFull?.();
    return Promise.resolve(putAway(state));
  }
  return new Promise((settle) => {
    (delivery.ahead ? ahead : waiting).push({ delivery, settle });
    pump(state);
  });
}

function handleAlone(state: State, delivery: Delivery): Promise<Settlement> {
  if (state.alone || state.mode !== "open") return Promise.resolve(putAway(state));
  return new Promise((settle) => {
    state.alone = { delivery, settle };
    state.aloneStarted = false;
    updateWindow(state, true);
    returnWaiting(state);
    pump(state);
  });
}

/** Behind what waits, where the children may be that free us; to the front where nobody waits for any. */
function putAway({ suspended }: State): Settlement {
  return suspended > 0 ? { outcome: "postponed", delayMs: postponedMs } : returned;
}

/** Of the delivery that runs alone, or of those that must end before it may. */
function isChildOfAlone({ alone, aloneStarted, suspended }: State, { ahead }: Delivery): boolean {
  return alone !== undefined && ahead === true && (aloneStarted || suspended > 0);
}

function onlyChildren({ mode, suspended, maxSuspended }: State): boolean {
  return mode === "children" || suspended >= maxSuspended;
}

function mayStart(state: State, delivery: Delivery): boolean {
  const { mode, running, suspended, limit, resuming, alone } = state;
  if (mode === "closed" || running >= limit || resuming.length > 0 || !hasPlace(state)) return false;
  if (delivery === alone?.delivery) return running + suspended === 0;
  if (alone) return isChildOfAlone(state, delivery);
  return delivery.ahead === true || !onlyChildren(state);
}

/** Waits in the pool's line where there is none. */
function hasPlace(state: State): boolean {
  const { pool } = state;
  if (!pool || pool.used < pool.size) return true;
  pool.wait(state.goOn);
  return false;
}

/** Last first: each goes to the front, so the first ends up foremost. */
function returnWaiting({ waiting, ahead }: State): void {
  for (const each of [...ahead.splice(0), ...waiting.splice(0)].reverse()) each.settle(returned);
}

/** All that has not started. */
function returnAll(state: State): void {
  returnWaiting(state);
  if (!state.alone || state.aloneStarted) return;
  state.alone.settle(returned);
  state.alone = undefined;
}

/** The question costs a look at the clock: it is asked only where something waits. */
function mustReturn({ ahead, waiting, alone, aloneStarted, mayBeLost }: State): boolean {
  return (ahead.length + waiting.length > 0 || (alone !== undefined && !aloneStarted)) && mayBeLost?.() === true;
}

function begin(state: State, delivery: Delivery): Promise<Settlement> {
  const slot = new TakenSlot(state, pump);
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
  const { rate, alone, resuming, ahead, waiting, idlers } = state;
  slot.end();
  if (resuming.length > 0 || ahead.length > 0 || waiting.length > 0 || rate || alone) pump(state);
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
    while (state.resuming.length > 0 && state.running < state.limit && hasPlace(state)) state.resuming.shift()?.();
    if (mustReturn(state)) returnAll(state);
    else if (state.alone && !state.aloneStarted && mayStart(state, state.alone.delivery))
      startAlone(state, state.alone);
    else startWaiting(state);
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

function startAlone(state: State, { delivery, settle }: Waiting): void {
  state.aloneStarted = true;
  settle(
    begin(state, delivery).finally(() => {
      state.alone = undefined;
      pump(state);
    }),
  );
}

function setMode(state: State, mode: WindowState["mode"]): void {
  state.mode = mode;
  updateWindow(state, true);
  if (mode === "closed") returnAll(state);
  pump(state);
}
