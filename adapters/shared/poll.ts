/** A consumer for engines that are asked for messages: window, settlements, wake-up, backoff, closing. */
import { clock, setImmediate, withJitter } from "../../src/base/clock.ts";
import { toError } from "../../src/base/errors.ts";
import type { ConsumeOptions, Consumer, Delivery, Handler, Settlement } from "../../src/contract/index.ts";
import { createSettlementLine, type SettlementLine } from "./settlement-line.ts";

export interface SettledDelivery<D extends Delivery> {
  readonly delivery: D;
  readonly settlement: Settlement;
}

export interface ExchangeAnswer<D extends Delivery> {
  /** True for each settlement that came too late. Left out: none did. */
  readonly stale?: readonly boolean[];
  readonly deliveries: readonly D[];
  /** True: there are more, though fewer came than were asked for. */
  readonly more?: boolean;
  /** When the next delayed message is due, from now. */
  readonly nextDueMs?: number | undefined;
}

export interface PollSource<D extends Delivery> {
  /**
   * Carries out settlements, then takes up to `take` messages: both or neither. A settlement that is repeated after an
   * error must do no harm.
   */
  exchange(settlements: readonly SettledDelivery<D>[], take: number): Promise<ExchangeAnswer<D>>;
  /** Most settlements, and most messages, of one exchange. */
  readonly batchSize: number;
  /** Asks again after this time, whatever the notices say. */
  readonly idleMs: number;
}

export interface PollConsumer<D extends Delivery> extends Consumer {
  /** There may be something: asks at once, if the window has room. */
  wake(): void;
  /** Aborts the signals of those that the engine has taken away. */
  abort(isLost: (delivery: D) => boolean): void;
}

const backoffMs = { first: 100, longest: 5000 };

interface State<D extends Delivery> {
  window: number;
  /** Delivered, and their settlement not yet in force. */
  readonly deliveries: Map<D, AbortController | undefined>;
  /** Ended, to go with the next exchange. */
  readonly settlements: SettlementLine<SettledDelivery<D>>;
  /** Came in while closing: given back, and never seen by the core. */
  readonly unseen: Set<D>;
  /** There may be messages; false once an exchange brought fewer than asked for. */
  hungry: boolean;
  /** Scheduled, under way, or waiting after an error. */
  busy: boolean;
  failures: number;
  phase: "open" | "closing" | "forced" | "closed";
  lastFetchAt: number | undefined;
  cancelTimer: () => void;
  idle: () => void;
}

/** Runs `handler` for what `source` hands out. */
export function poll<D extends Delivery>(
  source: PollSource<D>,
  handler: Handler,
  options: ConsumeOptions,
): PollConsumer<D> {
  const state = createState<D>(() => kick());
  const kick = () => {
    if (state.busy || state.phase === "closed") return;
    state.busy = true;
    setImmediate(step); // all that ends in this tick goes together
  };
  const wake = () => {
    state.hungry = true;
    kick();
  };
  const step = createStep(state, source, options, {
    kick,
    wake,
    deliver: (delivery) => start(state, delivery, handler, options, kick),
  });
  return {
    wake,
    abort(isLost) {
      for (const [delivery, controller] of state.deliveries) if (isLost(delivery)) controller?.abort();
    },
    setWindow(n) {
      if (state.phase !== "open") return;
      const wider = n > state.window;
      state.window = n;
      if (wider && state.hungry) kick();
    },
    status: () => ({
      held: [...state.deliveries.keys()].map(({ id }) => id),
      ...(state.lastFetchAt === undefined ? {} : { lastFetchAt: state.lastFetchAt }),
    }),
    close: createClose(state, kick),
  };
}

function createState<D extends Delivery>(kick: () => void): State<D> {
  return {
    window: 0,
    deliveries: new Map(),
    settlements: createSettlementLine(kick),
    unseen: new Set(),
    hungry: true,
    busy: false,
    failures: 0,
    phase: "open",
    lastFetchAt: undefined,
    cancelTimer: () => {},
    idle: () => {},
  };
}

interface Steps<D> {
  kick(): void;
  wake(): void;
  deliver(delivery: D): void;
}

/** One exchange with the engine; never two at once. */
function createStep<D extends Delivery>(
  state: State<D>,
  source: PollSource<D>,
  options: ConsumeOptions,
  { kick, wake, deliver }: Steps<D>,
): () => void {
  const succeed = (settlements: readonly SettledDelivery<D>[], take: number, exchanged: ExchangeAnswer<D>) => {
    state.failures = 0;
    confirm(state, settlements, exchanged.stale, options);
    for (const delivery of exchanged.deliveries) deliver(delivery);
    if (take > 0) again(state, take, exchanged, source.idleMs, wake);
    state.busy = false;
    kick();
  };
  const fail = (settlements: readonly SettledDelivery<D>[]) => (error: unknown) => {
    options.onError(toError(error));
    state.settlements.failed(settlements);
    if (state.phase === "forced") return state.idle();
    state.hungry = true;
    state.cancelTimer();
    state.cancelTimer = clock.after(pause(state), step, { unref: true });
  };
  const step = () => {
    if (state.phase === "closed") return;
    const settlements = state.settlements.next(source.batchSize, room(state, 0, source.batchSize) > 0);
    const take = room(state, settlements.length, source.batchSize);
    if (settlements.length === 0 && take === 0) return rest(state);
    if (take > 0) {
      state.cancelTimer();
      state.hungry = false; // set again by a wake-up meanwhile
    }
    source.exchange(settlements, take).then((exchanged) => succeed(settlements, take, exchanged), fail(settlements));
  };
  return step;
}

function room<D extends Delivery>(state: State<D>, leaving: number, batchSize: number): number {
  if (state.phase !== "open" || !state.hungry) return 0;
  return Math.max(0, Math.min(batchSize, state.window - state.deliveries.size + leaving));
}

/** Nothing to do: a settlement, a wider window or a wake-up starts it again. */
function rest<D extends Delivery>(state: State<D>): void {
  state.busy = false;
  if (state.phase === "forced" || (state.phase === "closing" && state.deliveries.size === 0)) state.idle();
}

function again<D extends Delivery>(
  state: State<D>,
  take: number,
  { deliveries, more = false, nextDueMs }: ExchangeAnswer<D>,
  idleMs: number,
  wake: () => void,
): void {
  state.lastFetchAt = clock.monotonic();
  if (more || deliveries.length >= take) state.hungry = true;
  else if (!state.hungry)
    state.cancelTimer = clock.after(Math.min(withJitter(idleMs), Math.max(1, nextDueMs ?? idleMs)), wake, {
      unref: true,
    });
}

function start<D extends Delivery>(
  state: State<D>,
  taken: D,
  handler: Handler,
  options: ConsumeOptions,
  kick: () => void,
): void {
  const controller = options.signal ? new AbortController() : undefined;
  const delivery = controller ? { ...taken, signal: controller.signal } : taken;
  state.deliveries.set(delivery, controller);
  const end = (settlement: Settlement) => {
    if (state.phase === "forced" || state.phase === "closed") {
      if (state.deliveries.delete(delivery)) options.onSettled(delivery, "stale");
      return;
    }
    state.settlements.add({ delivery, settlement });
    kick();
  };
  if (state.phase !== "open") {
    state.unseen.add(delivery);
    return state.settlements.add({ delivery, settlement: { outcome: "returned" } });
  }
  handler(delivery).then(end, (thrown: unknown) => {
    options.onError(toError(thrown)); // against the contract: put off rather than lost
    end({ outcome: "postponed", delayMs: 1000 });
  });
}

function confirm<D extends Delivery>(
  state: State<D>,
  settlements: readonly SettledDelivery<D>[],
  stale: readonly boolean[] | undefined,
  options: ConsumeOptions,
): void {
  state.settlements.succeeded(settlements);
  for (const [index, { delivery }] of settlements.entries()) {
    if (state.deliveries.delete(delivery) && !state.unseen.delete(delivery))
      options.onSettled(delivery, stale?.[index] ? "stale" : "applied");
  }
}

function pause<D extends Delivery>(state: State<D>): number {
  return withJitter(Math.min(backoffMs.longest, backoffMs.first * 2 ** state.failures++));
}

/** Flushes in both cases: what has ended is never redelivered because of a stop. */
function createClose<D extends Delivery>(state: State<D>, kick: () => void): Consumer["close"] {
  let closed: Promise<void> | undefined;
  const drain = () =>
    new Promise<void>((resolve) => {
      state.idle = () => {
        state.phase = "closed";
        state.cancelTimer();
        resolve();
      };
    });
  return ({ force = false } = {}) => {
    closed ??= drain();
    if (state.phase !== "closed") state.phase = force || state.phase === "forced" ? "forced" : "closing";
    if (force && state.failures > 0) state.idle(); // the engine does not answer: nothing to flush with
    kick();
    return closed;
  };
}
