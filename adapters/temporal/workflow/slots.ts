/** When Temporal's Worker may poll: it asks for a slot before each poll, and gets it when there is room. */
import type { CustomSlotSupplier, WorkerTuner } from "@temporalio/worker";

interface Waiting {
  readonly resolve: (permit: object) => void;
  readonly signal: AbortSignal;
}

export interface Slots {
  readonly supplier: CustomSlotSupplier<never>;
  /** There may be more room than before. */
  grant(): void;
  /** Polls under way, and tasks that have just come in. */
  polling(): number;
}

const none = { type: "fixed-size", numSlots: 1 } as const;

export function workflowTuner({ supplier }: Slots): WorkerTuner {
  return {
    activityTaskSlotSupplier: none,
    workflowTaskSlotSupplier: supplier,
    localActivityTaskSlotSupplier: none,
    nexusTaskSlotSupplier: none,
  };
}

/**
 * One for each Worker. `room`: how many tasks more may be held. A poll has its slot until its task is handed over, so
 * it counts as one.
 */
export function createSlots(room: () => number, onPoll: () => void): Slots {
  const waiting = new Set<Waiting>();
  let permits = 0;
  const grant = () => {
    for (const each of waiting) {
      if (permits >= room()) return;
      waiting.delete(each);
      permits++;
      onPoll();
      each.resolve({});
    }
  };
  const supplier: CustomSlotSupplier<never> = {
    type: "custom",
    reserveSlot: (_context, signal) =>
      new Promise((resolve, reject) => {
        const entry = { resolve, signal };
        waiting.add(entry);
        signal.addEventListener("abort", () => waiting.delete(entry) && reject(signal.reason), { once: true });
        grant();
      }),
    tryReserveSlot: () => null, // eager tasks would pass the window
    markSlotUsed: () => {},
    releaseSlot() {
      permits--;
      onPoll();
      grant();
    },
  };
  return { supplier, grant, polling: () => permits };
}
