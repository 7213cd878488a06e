/** How fast one consumer may start runs: the task's `qps`, a live change of it, and a hold after a 429. */
import { clock, createAlarm } from "../base/clock.ts";
import type { Limit } from "../options/qps.ts";
import type { OpenQueue } from "../setup/model.ts";
import { createGlobalRate } from "../slots/global-rate.ts";
import { createRate, type Rate } from "../slots/rate.ts";
import type { Slots } from "../slots/slots.ts";

export interface StartRate {
  /** Undefined: no limit. */
  setLimits(limits: readonly Limit[] | undefined): void;
  /** Nothing starts for so long. */
  hold(ms: number): void;
  /** What there is that may keep runs from starting. */
  control(): "slowDown" | "qps" | undefined;
  /** Nothing starts any more. */
  end(): Promise<void>;
}

export function createStartRate(task: OpenQueue, slots: Slots, onError: (error: unknown) => void): StartRate {
  let rate: Rate | undefined;
  let holdUntil = 0;
  const standstill: Rate = { take: () => Math.max(1, holdUntil - clock.monotonic()), ahead: () => 0 };
  const apply = () => {
    const leftMs = holdUntil - clock.monotonic();
    slots.setRate(leftMs > 0 ? standstill : rate);
    if (leftMs > 0) applyIn(leftMs);
  };
  // One, however often the hold is made longer: by the poll it is twice a second.
  const applyIn = createAlarm(apply);
  return {
    setLimits(limits) {
      void rate?.end?.();
      rate = limits && createRateOf(task, limits, slots.pump, onError);
      apply();
    },
    hold(ms) {
      const until = clock.monotonic() + ms;
      if (until <= holdUntil) return;
      holdUntil = until;
      apply();
    },
    control: () => (holdUntil > clock.monotonic() ? "slowDown" : rate && "qps"),
    end: async () => rate?.end?.(),
  };
}

function createRateOf(
  { options, store, scope }: OpenQueue,
  limits: readonly Limit[],
  wake: () => void,
  onError: (error: unknown) => void,
): Rate {
  if (options.qpsScope === "process" || !store) return createRate(limits);
  return createGlobalRate({ store, key: `qps:${encodeURIComponent(scope)}`, limits, wake, onError });
}
