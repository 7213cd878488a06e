/** One run's slot: given back while the run waits for another task, taken again before any new delivery starts. */
import type { Settlement } from "../contract/broker.ts";
import type { PoolSlots } from "../options/pool.ts";

export interface SlotCounts {
  running: number;
  suspended: number;
  /** Places shared with other tasks. */
  readonly pool: PoolSlots | undefined;
  /** Suspended runs whose wait has ended: each takes the next free slot. */
  readonly resuming: (() => void)[];
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
}

/**
 * Takes a slot that must be free. A class, because one is made for each run: methods on the prototype cost nothing.
 */
export class TakenSlot implements Slot {
  #waits = 0;
  #has: "slot" | "nothing" | "ended" = "slot";
  readonly #counts: SlotCounts;
  readonly #pump: (counts: never) => void;

  /** `pump` is called with the counts, and starts what may start now. */
  constructor(counts: SlotCounts, pump: (counts: never) => void) {
    this.#counts = counts;
    this.#pump = pump;
    counts.running++;
    counts.pool?.take();
  }

  suspend(): () => Promise<void> {
    if (++this.#waits === 1 && this.#has === "slot") {
      this.#has = "nothing";
      this.#counts.running--;
      this.#counts.suspended++;
      this.#counts.pool?.free();
      this.#pump(this.#counts as never);
    }
    return () =>
      --this.#waits === 0 && this.#has === "nothing" ? new Promise((taken) => this.#resume(taken)) : Promise.resolve();
  }

  #resume(taken: () => void): void {
    this.#counts.resuming.push(() => {
      if (this.#has === "nothing" && this.#waits === 0) {
        this.#has = "slot";
        this.#counts.running++;
        this.#counts.suspended--;
        this.#counts.pool?.take();
      }
      taken();
    });
    this.#pump(this.#counts as never);
  }

  /** A run may end while it still waits, as in a race against a timer. */
  end(): void {
    const had = this.#has;
    this.#has = "ended";
    if (had === "nothing") this.#counts.suspended--;
    else {
      this.#counts.running--;
      this.#counts.pool?.free();
    }
  }
}
