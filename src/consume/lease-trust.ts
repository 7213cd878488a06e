/** Whether the deliveries that this process holds may still be its own: a process that stood still for a lease has lost them without a word. */
import { clock } from "../base/clock.ts";
import { trustedMs } from "../store/lease.ts";

export interface LeaseTrust {
  /** The leases of all that is held were renewed, asked at `from`. */
  beat(from: number): void;
  /** By the clock: overdue work runs before the timer that would tell. */
  overslept(): boolean;
}

export function createLeaseTrust(leaseMs: number): LeaseTrust {
  let from = clock.monotonic();
  return {
    beat(at) {
      from = at;
    },
    overslept: () => clock.monotonic() - from >= trustedMs(leaseMs),
  };
}
