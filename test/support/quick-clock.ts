/** A clock whose timers take another time than they are asked for. */
import type { Clock } from "../../src/base/clock.ts";

const real: Pick<Clock, "now" | "monotonic"> = { now: () => Date.now(), monotonic: () => performance.now() };

/** `taken`: for how long a timer is set that is asked for. */
export function quickClock(taken: (ms: number) => number, { now, monotonic } = real): Clock {
  return {
    now,
    monotonic,
    after(ms, run, { unref = false } = {}) {
      const timer = setTimeout(run, taken(ms));
      if (unref) timer.unref();
      return () => clearTimeout(timer);
    },
  };
}
