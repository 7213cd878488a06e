/** The window in Temporal's words: a worker asks for a slot before each poll, and gets it when there is room. */
import type { CustomSlotSupplier, TunerHolder, WorkerTuner } from "@temporalio/worker";
import { clock, sleep } from "../../../src/clock.ts";

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

/** For a Worker that takes tasks of one type only. */
export const activityTuner = ({ supplier }: Slots): WorkerTuner => tunerOf({ activityTaskSlotSupplier: supplier });
export const workflowTuner = ({ supplier }: Slots): WorkerTuner => tunerOf({ workflowTaskSlotSupplier: supplier });

function tunerOf(own: Partial<TunerHolder>): WorkerTuner {
  return { activityTaskSlotSupplier: none, workflowTaskSlotSupplier: none, localActivityTaskSlotSupplier: none, nexusTaskSlotSupplier: none, ...own };
}

/** One for each Worker. `room`: how many tasks more may be held. A poll has its slot until its task is handed over, so it counts as one. */
export function makeSlots(room: () => number, onPoll: () => void): Slots {
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

/** A poll cannot be called back: what it brings while its worker goes down would be lost for as long as the server waits for an answer. */
const shortQuietMs = 40;
const longestQuietMs = 400;

/** Waits, with no new poll, for those that bring something at once; the others would hang for a minute, and are cut off. */
export async function untilQuiet(polling: () => number, lastArrivalAt: () => number, quietMs = shortQuietMs): Promise<void> {
  const from = clock.monotonic();
  for (let time = from; polling() > 0 && time - Math.max(from, lastArrivalAt()) < quietMs && time - from < longestQuietMs; time = clock.monotonic()) {
    await sleep(5, { unref: true });
  }
}
