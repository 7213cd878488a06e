/** The code's own limits, what is changed from outside while tasks run, and cancels. */
import { points, tell } from "../base/events.ts";
import { limitsOf } from "../options/qps.ts";
import { type LiveTarget, watchLive } from "../queue/live-watch.ts";
import type { ConsumerState } from "./state.ts";

/** Resolves when all that is set has been applied. */
export async function followLive(state: ConsumerState): Promise<void> {
  const { task, startRate, trouble } = state;
  startRate.setLimits(task.options.limits);
  const live = await watchLive(task, targetOf(state), trouble.report);
  state.live = live;
  state.upkeep.push(live.stop);
}

function targetOf({ task, where, startRate, concurrency, host }: ConsumerState): LiveTarget {
  return {
    setQps(qps) {
      tell(points.limits, () => ({ ...where, qps }));
      startRate.setLimits(qps === undefined ? task.options.limits : limitsOf(qps));
    },
    setConcurrency(n) {
      const inForce = concurrency.setLive(n);
      tell(points.limits, () => ({ ...where, concurrency: inForce }));
    },
    hold: startRate.hold,
    switched: (to) => tell(points.notices, () => ({ ...where, to })),
    cancel(id) {
      for (const run of host.signalled) if (run.taskId === id) run.cancel();
    },
  };
}
