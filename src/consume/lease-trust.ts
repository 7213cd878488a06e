/**
 * Whether the deliveries that this process holds may still be its own: a process that stood still for a lease has lost
 * them without a word.
 */
import { clock } from "../base/clock.ts";
import { trustedMs } from "../store/lease.ts";

export interface LeaseTrust {
  /** All that is held was renewed: asked for then. */
  begin(askedAt: number): void;
  /** By the clock: overdue work runs before the timer that would tell. */
  isOver(): boolean;
}

export function createLeaseTrust(leaseMs: number): LeaseTrust {
  let from = clock.monotonic();
  return {
    begin(askedAt) {
      from = askedAt;
    },
    isOver: () => clock.monotonic() - from >= trustedMs(leaseMs),
  };
}
