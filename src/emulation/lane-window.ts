/** The window that lanes share: which fetched delivery may start next, and how many each lane may hold. */
import { clock, queueMicrotask, setImmediate } from "../base/clock.ts";
import type { ConsumeOptions, Consumer, Delivery, Handler, Settlement } from "../contract/index.ts";

/**
 * How long lanes behind wait for one that has just given its last, or was just published to: longer than most fetches.
 * Never longer in all, while slots are free: a steady trickle in front must not stop the lanes behind.
 */
const graceMs = 5;
/** And at most for its first fetch, before which nobody knows what it has. */
const firstFetchMs = 250;

/** Fetched, and not started. */
export interface Candidate {
  readonly delivery: Delivery;
  readonly settle: (settlement: Settlement) => void;
}

export interface WindowLane {
  readonly ahead: boolean;
  readonly consumer: Consumer;
  readonly candidates: Candidate[];
  /** How many of it run. */
  runs: number;
  window: number;
  /** Until when more is expected of it. */
  warmUntil: number;
  /** Its first fetch has ended, or was waited for long enough. */
  isFetched: boolean;
}

/** Of a delivery that was given back: until the engine says so. */
interface Return {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

export interface LaneWindow {
  /** Foremost first. */
  readonly lanes: WindowLane[];
  readonly handler: Handler;
  readonly onSettled: ConsumeOptions["onSettled"];
  /** What runs: the lane's delivery, and the one that was handed on for it. */
  readonly runs: Map<Delivery, Delivery>;
  readonly returns: Map<Delivery, Return>;
  size: number;
  /** When it was first open. */
  openedAt: number | undefined;
  holds: number;
  isClosed: boolean;
  isWoken: boolean;
  /** Since when a slot is free, and a lane behind waits for one in front. */
  blockedSince: number | undefined;
  cancelTimer: (() => void) | undefined;
}

export function createLaneWindow(handler: Handler, onSettled: ConsumeOptions["onSettled"]): LaneWindow {
  return {
    lanes: [],
    handler,
    onSettled,
    runs: new Map(),
    returns: new Map(),
    size: 0,
    openedAt: undefined,
    holds: 0,
    isClosed: false,
    isWoken: false,
    blockedSince: undefined,
    cancelTimer: undefined,
  };
}

export function resizeWindow(window: LaneWindow, size: number): void {
  if (window.size === 0 && size > 0) warmAll(window);
  if (size > 0) window.openedAt ??= clock.monotonic();
  window.size = size;
  if (size === 0) giveBack(window);
  wake(window);
}

/** Gives back what has not started, and fetches nothing until the answered function is called. */
export async function holdWindow(window: LaneWindow): Promise<() => void> {
  window.holds++;
  shareWindow(window);
  giveBack(window);
  await Promise.all(Array.from(window.returns.values(), ({ promise }) => promise));
  return () => {
    window.holds--;
    warmAll(window);
    wake(window);
  };
}

export function closeWindow(window: LaneWindow): void {
  window.isClosed = true;
  window.cancelTimer?.();
  giveBack(window);
}

const isOpen = ({ size, holds, isClosed }: LaneWindow): boolean => size > 0 && holds === 0 && !isClosed;

export function addCandidate(window: LaneWindow, candidates: Candidate[], candidate: Candidate): void {
  candidates.push(candidate);
  if (isOpen(window)) wake(window);
  else giveBack(window);
}

export function settleDelivery(
  window: LaneWindow,
  lane: WindowLane,
  delivery: Delivery,
  how: "applied" | "stale",
): void {
  window.returns.get(delivery)?.resolve();
  window.returns.delete(delivery);
  const run = window.runs.get(delivery);
  if (!run) return;
  window.runs.delete(delivery);
  lane.runs--;
  window.onSettled(run, how);
  wake(window);
}

/** Something will arrive there soon. */
export function warm(lane: WindowLane, now = clock.monotonic()): void {
  lane.warmUntil = now + graceMs;
}

function warmAll({ lanes }: LaneWindow): void {
  const now = clock.monotonic();
  for (const lane of lanes) warm(lane, now);
}

/** Last first: each goes to the front, so the first ends up foremost. */
function giveBack({ lanes, returns }: LaneWindow, from: readonly WindowLane[] = lanes): void {
  for (const { delivery, settle } of from.flatMap(({ candidates }) => candidates.splice(0).reverse())) {
    returns.set(delivery, createReturn());
    settle({ outcome: "returned" });
  }
}

function createReturn(): Return {
  let resolve = () => {};
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

/** Once a tick: arrivals and settlements come in bunches. */
function wake(window: LaneWindow): void {
  if (window.isWoken || window.isClosed) return;
  window.isWoken = true;
  queueMicrotask(() => {
    window.isWoken = false;
    if (isOpen(window)) startNext(window);
    shareWindow(window);
  });
}

function startNext(window: LaneWindow): void {
  const now = clock.monotonic();
  window.cancelTimer?.();
  window.cancelTimer = undefined;
  for (const [index, lane] of window.lanes.entries()) {
    for (let next = nextOf(window, lane); next; next = nextOf(window, lane)) start(window, lane, next, now);
    if (window.runs.size >= window.size) break;
    const isFetched = hasFetched(window, lane, now);
    if ((isFetched && lane.warmUntil <= now) || !hasBehind(window, index)) continue;
    if (!isFetched) return wakeIn(window, graceMs);
    window.blockedSince ??= now;
    const waitMs = Math.min(lane.warmUntil, window.blockedSince + graceMs) - now;
    if (waitMs > 0) return wakeIn(window, waitMs);
  }
  window.blockedSince = undefined;
}

function hasFetched({ openedAt = 0 }: LaneWindow, lane: WindowLane, now: number): boolean {
  lane.isFetched ||= now - openedAt > firstFetchMs || lane.consumer.status().lastFetchAt !== undefined;
  return lane.isFetched;
}

function hasBehind({ lanes }: LaneWindow, index: number): boolean {
  return lanes.some(({ candidates }, behind) => behind > index && candidates.length > 0);
}

function wakeIn(window: LaneWindow, ms: number): void {
  // After a blocked event loop the timer is first: what has arrived meanwhile is taken in before it counts.
  window.cancelTimer = clock.after(ms, () => setImmediate(() => wake(window)), { unref: true });
}

function nextOf({ runs, size }: LaneWindow, { candidates }: WindowLane): Candidate | undefined {
  return runs.size < size ? candidates.shift() : undefined;
}

function start(window: LaneWindow, lane: WindowLane, { delivery, settle }: Candidate, now: number): void {
  if (lane.candidates.length === 0) warm(lane, now);
  const run = lane.ahead ? { ...delivery, ahead: true } : delivery;
  window.runs.set(delivery, run);
  lane.runs++;
  void window.handler(run).then((settlement) => {
    // It goes to the front: before those of its lane that were fetched behind it.
    if (settlement.outcome === "returned") giveBack(window, [lane]);
    settle(settlement);
  });
}

/** Each lane may hold what runs, and one more to choose from; while slots are free, as many as are free. */
function shareWindow(window: LaneWindow): void {
  const open = isOpen(window);
  const unstarted = window.lanes.reduce((sum, { candidates }) => sum + candidates.length, 0);
  const free = Math.max(0, window.size - window.runs.size - unstarted);
  for (const lane of window.lanes) {
    const { length } = lane.candidates;
    const n = open ? lane.runs + length + Math.max(free, length === 0 ? 1 : 0) : 0;
    if (n === lane.window) continue;
    lane.window = n;
    lane.consumer.setWindow(n);
  }
}
