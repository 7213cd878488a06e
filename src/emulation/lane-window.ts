/** One consumer over several lanes: they share one window, and the foremost lane that has something goes first. */
import { clock } from "../base/clock.ts";
import type { BrokerQueue, ConsumeOptions, Consumer, Delivery, Handler, Settlement } from "../contract/index.ts";

/**
 * How long lanes behind wait for one that has just given its last, or was just published to: longer than a fetch on most engines.
 * Never longer in all, while slots are free: a steady trickle in front must not stop the lanes behind.
 */
const graceMs = 5;
/** And at most for its first fetch, before which nobody knows what it has. */
const firstFetchMs = 250;

export interface OpenLane {
  readonly ahead: boolean;
  readonly queue: BrokerQueue;
}

export interface LaneConsumer extends Consumer {
  /** Ids that were fetched and not handed on: to everybody above they still wait. */
  waiting(): readonly string[];
  /** A message was published to this lane, counted from the foremost, and will arrive soon. */
  expect(lane: number): void;
  /** Gives those back, and fetches nothing until the answered function is called. */
  hold(): Promise<() => void>;
}

interface Fetched {
  readonly delivery: Delivery;
  readonly settle: (settlement: Settlement) => void;
}

interface Lane {
  readonly ahead: boolean;
  readonly consumer: Consumer;
  readonly fetched: Fetched[];
  handed: number;
  sentWindow: number;
  warmUntil: number;
  /** Its first fetch has ended, or was waited for long enough. */
  known: boolean;
}

interface Returning {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

interface State {
  readonly lanes: Lane[];
  readonly handler: Handler;
  readonly options: ConsumeOptions;
  /** What runs above: the lane's delivery, and the one that was handed on for it. */
  readonly handed: Map<Delivery, Delivery>;
  /** Given back, and the engine did not say so yet. */
  readonly returning: Map<Delivery, Returning>;
  window: number;
  /** When the window was first open. */
  openedAt: number | undefined;
  holds: number;
  closed: boolean;
  woken: boolean;
  /** Since when a slot is free, and a lane behind waits for one in front. */
  blockedSince: number | undefined;
  cancelTimer: (() => void) | undefined;
}

/** `lanes`: foremost first. */
export async function consumeLanes(
  lanes: readonly OpenLane[],
  handler: Handler,
  options: ConsumeOptions,
): Promise<LaneConsumer> {
  const state: State = {
    lanes: [],
    handler,
    options,
    handed: new Map(),
    returning: new Map(),
    window: 0,
    openedAt: undefined,
    holds: 0,
    closed: false,
    woken: false,
    blockedSince: undefined,
    cancelTimer: undefined,
  };
  try {
    for (const lane of lanes) state.lanes.push(await consumeLane(state, lane));
  } catch (error) {
    await Promise.all(state.lanes.map(({ consumer }) => consumer.close({ force: true })));
    throw error;
  }
  return consumerOf(state);
}

async function consumeLane(state: State, { ahead, queue }: OpenLane): Promise<Lane> {
  const fetched: Fetched[] = [];
  const handler: Handler = (delivery) =>
    new Promise((settle) => {
      fetched.push({ delivery, settle });
      if (isOpen(state)) wake(state);
      else giveBack(state);
    });
  const onSettled: ConsumeOptions["onSettled"] = (delivery, how) => settled(state, lane, delivery, how);
  const consumer = await queue.consume(handler, { ...state.options, onSettled });
  const lane: Lane = { ahead, consumer, fetched, handed: 0, sentWindow: 0, warmUntil: 0, known: false };
  return lane;
}

const isOpen = ({ window, holds, closed }: State): boolean => window > 0 && holds === 0 && !closed;

function consumerOf(state: State): LaneConsumer {
  const { lanes } = state;
  const consumers = lanes.map(({ consumer }) => consumer);
  const renewing = consumers.filter((consumer) => consumer.renew);
  return {
    setWindow(n) {
      if (state.window === 0 && n > 0) warm(state);
      if (n > 0) state.openedAt ??= clock.monotonic();
      state.window = n;
      if (n === 0) giveBack(state);
      wake(state);
    },
    ...(renewing.length > 0
      ? { renew: async () => void (await Promise.all(renewing.map((consumer) => consumer.renew?.()))) }
      : {}),
    status() {
      const fetches = consumers.flatMap((consumer) => consumer.status().lastFetchAt ?? []);
      return {
        held: Array.from(state.handed.keys(), ({ id }) => id),
        ...(fetches.length > 0 ? { lastFetchAt: Math.max(...fetches) } : {}),
      };
    },
    waiting: () => lanes.flatMap(({ fetched }) => fetched.map(({ delivery }) => delivery.id)),
    expect: (index) => expect(state, index),
    hold: () => hold(state),
    async close(closing) {
      state.closed = true;
      state.cancelTimer?.();
      giveBack(state);
      await Promise.all(consumers.map((consumer) => consumer.close(closing)));
    },
  };
}

async function hold(state: State): Promise<() => void> {
  state.holds++;
  setWindows(state);
  giveBack(state);
  await Promise.all(Array.from(state.returning.values(), ({ promise }) => promise));
  return () => {
    state.holds--;
    warm(state);
    wake(state);
  };
}

function expect(state: State, index: number): void {
  const lane = state.lanes[index];
  if (lane) lane.warmUntil = clock.monotonic() + graceMs;
}

/** Last first: each goes to the front, so the first ends up foremost. */
function giveBack({ lanes, returning }: State, from: readonly Lane[] = lanes): void {
  for (const { delivery, settle } of from.flatMap(({ fetched }) => fetched.splice(0).reverse())) {
    returning.set(delivery, returningNow());
    settle({ outcome: "returned" });
  }
}

function returningNow(): Returning {
  let resolve = () => {};
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

function settled(state: State, lane: Lane, delivery: Delivery, how: "applied" | "stale"): void {
  state.returning.get(delivery)?.resolve();
  state.returning.delete(delivery);
  const known = state.handed.get(delivery);
  if (!known) return;
  state.handed.delete(delivery);
  lane.handed--;
  state.options.onSettled(known, how);
  wake(state);
}

function warm({ lanes }: State): void {
  const until = clock.monotonic() + graceMs;
  for (const lane of lanes) lane.warmUntil = until;
}

/** Once a tick: arrivals and settlements come in bunches. */
function wake(state: State): void {
  if (state.woken || state.closed) return;
  state.woken = true;
  queueMicrotask(() => {
    state.woken = false;
    if (isOpen(state)) handOn(state);
    setWindows(state);
  });
}

function handOn(state: State): void {
  const now = clock.monotonic();
  state.cancelTimer?.();
  state.cancelTimer = undefined;
  for (const [index, lane] of state.lanes.entries()) {
    for (let next = nextOf(state, lane); next; next = nextOf(state, lane)) start(state, lane, next, now);
    if (state.handed.size >= state.window) break;
    const isKnown = hasFetched(state, lane, now);
    if (
      (isKnown && lane.warmUntil <= now) ||
      !state.lanes.some(({ fetched }, behind) => behind > index && fetched.length > 0)
    )
      continue;
    if (!isKnown) return wakeIn(state, graceMs);
    state.blockedSince ??= now;
    const waitMs = Math.min(lane.warmUntil, state.blockedSince + graceMs) - now;
    if (waitMs > 0) return wakeIn(state, waitMs);
  }
  state.blockedSince = undefined;
}

function hasFetched({ openedAt = 0 }: State, lane: Lane, now: number): boolean {
  lane.known ||= now - openedAt > firstFetchMs || lane.consumer.status().lastFetchAt !== undefined;
  return lane.known;
}

function wakeIn(state: State, ms: number): void {
  // After a blocked event loop the timer is first: what has arrived meanwhile is taken in before it counts.
  state.cancelTimer = clock.after(ms, () => setImmediate(() => wake(state)), { unref: true });
}

function nextOf({ handed, window }: State, { fetched }: Lane): Fetched | undefined {
  return handed.size < window ? fetched.shift() : undefined;
}

function start(state: State, lane: Lane, { delivery, settle }: Fetched, now: number): void {
  if (lane.fetched.length === 0) lane.warmUntil = now + graceMs;
  const known = lane.ahead ? { ...delivery, ahead: true } : delivery;
  state.handed.set(delivery, known);
  lane.handed++;
  void state.handler(known).then((settlement) => {
    // It goes to the front: before those of its lane that were fetched behind it.
    if (settlement.outcome === "returned") giveBack(state, [lane]);
    settle(settlement);
  });
}

/** Each lane may hold what runs, and one more to choose from; while slots are free, as many as are free. */
function setWindows(state: State): void {
  const open = isOpen(state);
  const fetched = state.lanes.reduce((sum, lane) => sum + lane.fetched.length, 0);
  const free = Math.max(0, state.window - state.handed.size - fetched);
  for (const lane of state.lanes) {
    const n = open ? lane.handed + lane.fetched.length + Math.max(free, lane.fetched.length === 0 ? 1 : 0) : 0;
    if (n === lane.sentWindow) continue;
    lane.sentWindow = n;
    lane.consumer.setWindow(n);
  }
}
