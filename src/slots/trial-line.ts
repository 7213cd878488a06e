/**
 * The queues of a process that try suspects: one at a time. What dies beside a suspect of another queue would be
 * blamed for it, and two that are alone would not be.
 */
import { processWide } from "../base/process-wide.ts";

export interface TrialLine {
  /** True: it is the turn of `who`. Else `goOn` is called when it may be. */
  take(who: object, goOn: () => void): boolean;
  /** Gives the turn to the next, or leaves the line. */
  give(who: object): void;
}

export const trialLine = processWide("trials", createTrialLine);

export function createTrialLine(): TrialLine {
  const waiting = new Map<object, () => void>();
  let holder: object | undefined;
  return {
    take(who, goOn) {
      holder ??= who;
      if (holder !== who) waiting.set(who, goOn);
      return holder === who;
    },
    give(who) {
      waiting.delete(who);
      if (holder !== who) return;
      holder = undefined;
      for (const [next, goOn] of [...waiting]) {
        if (holder !== undefined) return; // it has taken its turn
        waiting.delete(next);
        goOn();
      }
    },
  };
}
