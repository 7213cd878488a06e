/**
 * Which delivery may run now. Pure bookkeeping: no engine, no task.
 *
 * A run takes a slot. While it waits for another task it is suspended: its slot is free for others, and it takes the
 * next free one when its wait ends, before any new delivery. So the limit is never exceeded, and waiting cannot deadlock:
 * at `maxSuspended` only deliveries marked `ahead` (children of running tasks) may start.
 */
import { clock } from "./clock.ts";
import type { Delivery, Settlement } from "./contract/broker.ts";
import type { Rate } from "./controls/rate.ts";
import { updateWindow, type WindowState } from "./window.ts";

/** A run under way, as far as slots are concerned. */
export interface Ended {
  readonly settlement: Settlement;
  /** Resolves when the function has really returned: after a timeout it may still be at work. */
  readonly returned?: Promise<unknown> | undefined;
}

export interface SlotsOptions {
  limit: number;
  readonly maxSuspended: number;
  readonly lookahead: number;
  readonly rate: Rate | undefined;
  readonly run: (delivery: Delivery, slot: Slot) => Promise<Ended>;
  readonly setWindow: (n: number) => void;
}

export interface Slot {
  suspend(): () => Promise<void>;
}

interface Waiting {
  readonly delivery: Delivery;
  readonly settle: (settlement: Settlement | Promise<Settlement>) => void;
}

export interface Slots {
  handle(delivery: Delivery): Promise<Settlement>;
  setLimit(n: number): void;
  /** Sends the window again, to an adapter that has only now begun to consume. */
  refreshWindow(): void;
  /** Closed: nothing starts, what waits here is returned. */
  setOpen(open: boolean): void;
  /** Runs under way, suspended ones included. */
  running(): number;
  /** Settles when nothing runs. */
  idle(): Promise<void>;
}

const returned: Settlement = { outcome: "returned" };
/** How long a delivery stays away that may not start while others are suspended. */
const postponedMs = 250;

interface State extends SlotsOptions, WindowState {
  readonly ahead: Waiting[];
  readonly waiting: Waiting[];
  /** Suspended runs whose wait has ended. */
  readonly resuming: (() => void)[];
  readonly idlers: (() => void)[];
  /** A delivery that has twice lost its process: it runs with nothing beside it. */
  alone: Waiting | undefined;
  aloneStarted: boolean;
  timed: boolean;
}

export function createSlots(options: SlotsOptions): Slots {
  const state: State = {
    ...options,
    ahead: [],
    waiting: [],
    resuming: [],
    idlers: [],
    open: true,
    running: 0,
    suspended: 0,
    alone: undefined,
    aloneStarted: false,
    sentWindow: -1,
    sendingWindow: false,
    timed: false,
  };
  return {
    handle: (delivery) => handle(state, delivery),
    setLimit(n) {
      state.limit = n;
      pump(state);
    },
    setOpen: (open) => setOpen(state, open),
    refreshWindow() {
      state.sentWindow = -1;
      updateWindow(state);
    },
    running: () => state.running + state.suspended,
    idle: () => (isIdle(state) ? Promise.resolve() : new Promise((wake) => state.idlers.push(wake))),
  };
}

function handle(state: State, delivery: Delivery): Promise<Settlement> {
  const { rate, ahead, waiting, limit } = state;
  if ((delivery.crashes ?? 0) >= 2 && !isChildOfAlone(state, delivery)) return handleAlone(state, delivery);
  if (ahead.length + waiting.length === 0 && mayStart(state, delivery) && (!rate || rate.take() === 0)) return begin(state, delivery);
  if (!state.open || (state.alone && !delivery.ahead)) return Promise.resolve(returned);
  const full = !delivery.ahead && state.suspended >= state.maxSuspended && waiting.length >= limit;
  if (full) return Promise.resolve({ outcome: "postponed", delayMs: postponedMs }); // behind what waits, where its children may be
  return new Promise((settle) => {
    (delivery.ahead ? ahead : waiting).push({ delivery, settle });
    pump(state);
  });
}

function handleAlone(state: State, delivery: Delivery): Promise<Settlement> {
  if (state.alone || !state.open) return Promise.resolve(returned);
  return new Promise((settle) => {
    state.alone = { delivery, settle };
    state.aloneStarted = false;
    updateWindow(state, true);
    returnWaiting(state);
    pump(state);
  });
}

function isChildOfAlone({ alone, aloneStarted }: State, { ahead }: Delivery): boolean {
  return alone !== undefined && aloneStarted && ahead === true;
}

function mayStart(state: State, delivery: Delivery): boolean {
  const { open, running, limit, resuming, alone } = state;
  if (!open || running >= limit || resuming.length > 0) return false;
  if (alone) return running === 0 && (delivery === alone.delivery || isChildOfAlone(state, delivery));
  return delivery.ahead === true || state.suspended < state.maxSuspended;
}

/** Last first: each goes to the front, so the first ends up foremost. */
function returnWaiting({ waiting, ahead }: State): void {
  for (const list of [waiting, ahead]) for (const each of list.splice(0).reverse()) each.settle(returned);
}

async function begin(state: State, delivery: Delivery): Promise<Settlement> {
  state.running++;
  if (state.rate) updateWindow(state);
  const ended = await state.run(delivery, slotOf(state));
  if (ended.returned) void ended.returned.then(() => release(state));
  else release(state);
  return ended.settlement;
}

function release(state: State): void {
  const { rate, alone, resuming, ahead, waiting, idlers } = state;
  state.running--;
  if (resuming.length > 0 || ahead.length > 0 || waiting.length > 0 || rate || alone) pump(state);
  if (idlers.length > 0 && isIdle(state)) for (const wake of idlers.splice(0)) wake();
}

function isIdle({ running, suspended }: State): boolean {
  return running + suspended === 0;
}

function slotOf(state: State): Slot {
  let waits = 0;
  return {
    suspend() {
      if (++waits === 1) {
        state.running--;
        state.suspended++;
        pump(state);
      }
      return () => (--waits === 0 ? resume(state) : Promise.resolve());
    },
  };
}

function resume(state: State): Promise<void> {
  return new Promise((taken) => {
    state.resuming.push(() => {
      state.running++;
      state.suspended--;
      taken();
    });
    pump(state);
  });
}

/** Starts all that may start now. */
function pump(state: State): void {
  while (state.resuming.length > 0 && state.running < state.limit) state.resuming.shift()?.();
  if (state.alone && !state.aloneStarted && mayStart(state, state.alone.delivery)) startAlone(state, state.alone);
  else startWaiting(state);
  updateWindow(state);
}

function startWaiting(state: State): void {
  for (let list = nextWaiting(state); list; list = nextWaiting(state)) {
    const waitMs = state.rate ? state.rate.take() : 0;
    if (waitMs > 0) return wakeIn(state, waitMs);
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

function wakeIn(state: State, ms: number): void {
  if (state.timed) return;
  state.timed = true;
  clock.after(ms, () => {
    state.timed = false;
    pump(state);
  });
}

function setOpen(state: State, open: boolean): void {
  state.open = open;
  if (!open) {
    updateWindow(state, true);
    returnWaiting(state);
    if (state.alone && !state.aloneStarted) {
      state.alone.settle(returned);
      state.alone = undefined;
    }
  }
  pump(state);
}
