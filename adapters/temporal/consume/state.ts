/** The state of one Temporal consumer: what it holds, how much more it may take, whether it closes. */
import { clock } from "../../../src/base/clock.ts";
import type { ConsumeOptions, Delivery } from "../../../src/contract/index.ts";
import type { Service } from "../connect/protocol.ts";
import type { TemporalQueue } from "../queue.ts";
import type { Arrival } from "./delivery-counts.ts";
import type { Settler } from "./settler.ts";

export interface HeldTask extends Arrival {
  readonly delivery: Delivery;
  readonly since: number;
  readonly controller: AbortController | undefined;
}

export interface ConsumerState {
  readonly held: Map<Delivery, HeldTask>;
  /** Come in, and not handed on or given back yet. */
  readonly intakes: Set<Promise<void>>;
  /** Set aside: cannot be given back, and may not run yet. */
  readonly stays: Set<Promise<void>>;
  /** No settlement is tried any more. */
  readonly forced: AbortController;
  /** Nothing is held any more, and no poll is opened. */
  readonly stop: AbortController;
  /** Called when the window, the phase, or what is held has changed. */
  readonly watchers: Set<() => void>;
  window: number;
  phase: "open" | "closing" | "forced";
  lastFetchAt: number | undefined;
  lastArrivalAt: number;
}

/** The parts of one consumer. */
export interface ConsumerParts {
  readonly queue: TemporalQueue;
  readonly state: ConsumerState;
  /** Of the native connection that is used now. */
  service(): Service;
  readonly settler: Settler;
  readonly options: ConsumeOptions;
  report(error: unknown): void;
}

/** What stays has no place in the window: it needs a bound of its own. */
const mostStays = 100;

export function createState(): ConsumerState {
  return {
    held: new Map(),
    intakes: new Set(),
    stays: new Set(),
    forced: new AbortController(),
    stop: new AbortController(),
    watchers: new Set(),
    window: 0,
    phase: "open",
    lastFetchAt: undefined,
    lastArrivalAt: clock.monotonic(),
  };
}

/** What comes now may run. */
export const mayRun = ({ phase, window }: ConsumerState): boolean => phase === "open" && window > 0;

/** How many tasks more may be held. */
export const roomIn = (state: ConsumerState): number =>
  mayRun(state) ? state.window - state.held.size - state.intakes.size : 0;

/** How many tasks more may be fetched. */
export const roomToFetch = (state: ConsumerState): number => (state.stays.size < mostStays ? roomIn(state) : 0);

export function tellWatchers({ watchers }: ConsumerState): void {
  for (const look of watchers) look();
}

/** Resolves when `condition` holds. */
export async function until(state: ConsumerState, condition: () => boolean): Promise<void> {
  if (condition()) return;
  await new Promise<void>((resolve) => {
    const look = () => {
      if (!condition()) return;
      state.watchers.delete(look);
      resolve();
    };
    state.watchers.add(look);
  });
}
