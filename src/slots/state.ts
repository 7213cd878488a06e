/** What slots keep account of: slots.ts alone changes it. */
import { createAlarm } from "../base/clock.ts";
import type { Delivery, Settlement } from "../contract/broker.ts";
import type { PoolSlots } from "../options/pool.ts";
import type { Rate } from "./rate.ts";
import type { RunEnd, Slot, SlotCounts } from "./slot.ts";
import type { WindowState } from "./window.ts";

export interface SlotsOptions {
  limit: number;
  readonly maxSuspended: number;
  readonly lookahead: number;
  rate: Rate | undefined;
  readonly pool?: PoolSlots | undefined;
  readonly run: (delivery: Delivery, slot: Slot) => Promise<RunEnd> | RunEnd;
  readonly setWindow: (n: number) => void;
  /** A delivery was put away because `maxSuspended` runs wait for other tasks. */
  readonly onFull?: () => void;
  /** What waits here may be another process's by now: it goes back. */
  readonly mayBeLost?: () => boolean;
}

export interface Waiting {
  readonly delivery: Delivery;
  readonly settle: (settlement: Settlement | Promise<Settlement>) => void;
}

export interface SlotsState extends SlotsOptions, WindowState, SlotCounts {
  readonly pool: PoolSlots | undefined;
  readonly ahead: Waiting[];
  readonly waiting: Waiting[];
  readonly idlers: (() => void)[];
  /** A delivery that has twice lost its process: it runs with nothing beside it. */
  alone: Waiting | undefined;
  aloneStarted: boolean;
  readonly goOnIn: (ms: number) => void;
  pumping: "once" | "again" | undefined;
  readonly goOn: () => void;
}

/** `pump` starts what may start now. */
export function createState(options: SlotsOptions, pump: (state: SlotsState) => void): SlotsState {
  const state: SlotsState = {
    ...options,
    pool: options.pool,
    ahead: [],
    waiting: [],
    resuming: [],
    idlers: [],
    mode: "open",
    running: 0,
    suspended: 0,
    alone: undefined,
    aloneStarted: false,
    sentWindow: -1,
    sendingWindow: false,
    pumping: undefined,
    goOnIn: createAlarm(() => pump(state)),
    goOn: () => pump(state),
  };
  return state;
}
