/** One run's slot: given back while the run waits for another task, taken again before any new delivery starts. */
import { clock } from "../base/clock.ts";
import type { Settlement } from "../contract/broker.ts";
import type { PoolSlots } from "../options/pool.ts";

export interface SlotCounts {
  running: number;
  suspended: number;
  /** Places shared with other tasks. */
  readonly pool: PoolSlots | undefined;
  /** Suspended runs whose wait has ended: each takes the next free slot. */
  readonly resuming: Resuming[];
  /** Suspects among the runs, and those that resume. */
  readonly trials: { running: number; readonly resuming: Resuming[] };
}

export interface Resuming {
  /** 0 for what is no suspect. */
  readonly losses: number;
  /** On the monotonic clock. */
  readonly since: number;
  go(): void;
}

/** How a suspect runs. */
export interface Trial {
  readonly losses: number;
  /** Set where it runs alone: the losses from which on it does. */
  readonly aloneFrom: number | undefined;
}

/** A run under way, as far as slots are concerned. */
export interface RunEnd {
  readonly settlement: Settlement;
  /** Resolves when the function has really returned: after a timeout it may still be at work. */
  readonly returned?: Promise<unknown> | undefined;
}

/** What a run sees of its slot. */
export interface Slot {
  /**
   * A wait begins; the answered function ends it, and resolves when the slot is taken again. Nested waits give back one
   * slot.
   */
  suspend(): () => Promise<void>;
  /** Undefined for what is no suspect. */
  readonly trial: Trial | undefined;
}

/**
 * Takes a slot that must be free. A class, because one is made for each run: methods on the prototype cost nothing.
 */
export class TakenSlot implements Slot {
  #waits = 0;
  #has: "slot" | "nothing" | "ended" = "slot";
  readonly #counts: SlotCounts;
  readonly #pump: (counts: never) => void;
  readonly trial: Trial | undefined;

  /** `pump` is called with the counts, and starts what may start now. */
  constructor(counts: SlotCounts, pump: (counts: never) => void, trial?: Trial) {
    this.#counts = counts;
    this.#pump = pump;
    this.trial = trial;
    this.#count(1);
    counts.pool?.take();
  }

  suspend(): () => Promise<void> {
    if (++this.#waits === 1 && this.#has === "slot") {
      this.#has = "nothing";
      this.#count(-1);
      this.#counts.suspended++;
      this.#counts.pool?.free();
      this.#pump(this.#counts as never);
    }
    return () =>
      --this.#waits === 0 && this.#has === "nothing" ? new Promise((taken) => this.#resume(taken)) : Promise.resolve();
  }

  #resume(taken: () => void): void {
    const go = () => {
      if (this.#has === "nothing" && this.#waits === 0) {
        this.#has = "slot";
        this.#count(1);
        this.#counts.suspended--;
        this.#counts.pool?.take();
      }
      taken();
    };
    const { resuming } = this.trial ? this.#counts.trials : this.#counts;
    resuming.push({ losses: this.trial?.losses ?? 0, since: clock.monotonic(), go });
    this.#pump(this.#counts as never);
  }

  /** A run may end while it still waits, as in a race against a timer. */
  end(): void {
    const had = this.#has;
    this.#has = "ended";
    if (had === "nothing") this.#counts.suspended--;
    else {
      this.#count(-1);
      this.#counts.pool?.free();
    }
  }

  #count(by: 1 | -1): void {
    this.#counts.running += by;
    if (this.trial) this.#counts.trials.running += by;
  }
}
