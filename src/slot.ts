/** One run's slot: given back while the run waits for another task, taken again before any new delivery starts. */

export interface SlotCounts {
  running: number;
  suspended: number;
  /** Suspended runs whose wait has ended: each takes the next free slot. */
  readonly resuming: (() => void)[];
}

/** What a run sees of its slot. */
export interface Slot {
  /** A wait begins; the answered function ends it, and resolves when the slot is taken again. Nested waits give back one slot. */
  suspend(): () => Promise<void>;
}

export interface OwnSlot extends Slot {
  end(): void;
}

/** Takes a slot that must be free. `pump` starts what may start now. A run may end while it still waits, as in a race against a timer. */
export function takeSlot(counts: SlotCounts, pump: () => void): OwnSlot {
  let waits = 0;
  let has: "slot" | "nothing" | "ended" = "slot";
  counts.running++;
  const giveBack = () => {
    has = "nothing";
    counts.running--;
    counts.suspended++;
    pump();
  };
  const takeAgain = (taken: () => void) => {
    counts.resuming.push(() => {
      if (has === "nothing" && waits === 0) {
        has = "slot";
        counts.running++;
        counts.suspended--;
      }
      taken();
    });
    pump();
  };
  return {
    suspend() {
      if (++waits === 1 && has === "slot") giveBack();
      return () => (--waits === 0 && has === "nothing" ? new Promise(takeAgain) : Promise.resolve());
    },
    end() {
      if (has === "nothing") counts.suspended--;
      else counts.running--;
      has = "ended";
    },
  };
}
