/** What slots keep account of: slots.ts alone changes it. */
import { createAlarm } from "../base/clock.ts";
import type { Delivery, Settlement } from "../contract/broker.ts";
import type { PoolSlots } from "../options/pool.ts";
import type { Rate } from "./rate.ts";
import type { Resuming, RunEnd, Slot, SlotCounts } from "./slot.ts";
import { createTrialLine, type TrialLine } from "./trial-line.ts";
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
  /** How often what its engine gave out again was lost while it ran. @default as often as its engine says */
  readonly lossesOf?: (delivery: Delivery) => number | Promise<number>;
  /** Of all queues of the process. @default one of its own */
  readonly trialLine?: TrialLine;
  /** What waits here may be another process's by now: it goes back. */
  readonly mayBeLost?: () => boolean;
}

export interface Waiting {
  readonly delivery: Delivery;
  readonly settle: (settlement: Settlement | Promise<Settlement>) => void;
}

export interface Suspect extends Waiting {
  readonly losses: number;
}

/** Whose turn it is: trials.ts alone changes it. */
export interface Trials {
  /** "drain": others may end and go on, and nothing starts; then what is here and not for the trial goes back. */
  turn: "others" | "drain" | "trial";
  /** When the turn of the others, or the trial, began. */
  since: number;
  /** Until when others have their turn while they have work. */
  othersUntil: number;
  /** Suspects that have not started. */
  readonly waiting: Suspect[];
  /** Suspects whose wait for others has ended. */
  readonly resuming: Resuming[];
  /** Given back so as not to be held beside suspects; the engine does not have them yet. */
  readonly leaving: Set<Delivery>;
  /** Suspects that run. */
  running: number;
  /** Of this trial: how many it has taken, how many it takes at most, and whether it still takes any. */
  members: number;
  size: number;
  isOpen: boolean;
}

export interface SlotsState extends SlotsOptions, WindowState, SlotCounts {
  readonly pool: PoolSlots | undefined;
  readonly ahead: Waiting[];
  readonly waiting: Waiting[];
  readonly idlers: (() => void)[];
  readonly trials: Trials;
  readonly trialLine: TrialLine;
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
    trials: createTrials(),
    trialLine: options.trialLine ?? createTrialLine(),
    sentWindow: -1,
    sendingWindow: false,
    pumping: undefined,
    goOnIn: createAlarm(() => pump(state)),
    goOn: () => pump(state),
  };
  return state;
}

function createTrials(): Trials {
  return {
    turn: "others",
    since: 0,
    othersUntil: 0,
    waiting: [],
    resuming: [],
    leaving: new Set(),
    running: 0,
    members: 0,
    size: 0,
    isOpen: false,
  };
}
