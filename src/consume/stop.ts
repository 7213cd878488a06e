/**
 * How a consumer ends: what runs may end within the grace time, then its signals abort, then it is left to be
 * redelivered.
 */
import { clock, sleep, within } from "../base/clock.ts";
import { FunboostError } from "../base/errors.ts";
import { points, tell } from "../base/events.ts";
import type { Slots } from "../slots/slots.ts";
import { setBlockers } from "./blockers.ts";
import type { StopOptions } from "./consumers.ts";
import type { ActiveConsumer, ConsumerState } from "./state.ts";

const tickMs = 50;
/** For runs to end after their signals aborted. */
const abortedMs = 1_000;
/** A server that hangs must not hold us: leases end by themselves. */
const upkeepMs = 1_000;
/** For an engine that hangs: what it holds is redelivered. */
const forcedMs = 5_000;

/** Answers whether all runs have ended by themselves: none was cut off. */
export async function stopConsumer(state: ActiveConsumer, options: StopOptions): Promise<boolean> {
  const { where, engine, events } = state;
  const from = clock.monotonic();
  tell(points.closing, () => ({ ...where }));
  try {
    return await endRuns(state, options).finally(() => within(stopUpkeep(state), upkeepMs));
  } finally {
    events.onClosed();
    tell(points.closed, () => ({
      ...where,
      orphanedIds: engine.status().held,
      elapsedMs: clock.monotonic() - from,
    }));
  }
}

/** All that goes on beside the engine. */
export async function stopUpkeep({ upkeep }: ConsumerState): Promise<void> {
  await Promise.all(upkeep.map((end) => end()));
}

async function endRuns(state: ActiveConsumer, { graceMs, others }: StopOptions): Promise<boolean> {
  setBlockers(state, { closing: true });
  state.engine.setWindow(0);
  const endsAt = clock.monotonic() + graceMs;
  await untilIdle(state.slots, others, endsAt);
  state.slots.setMode("closed"); // also for children
  return drain(state, Math.max(0, endsAt - clock.monotonic()));
}

/** While a run waits for a child, children may start: a pipeline ends instead of being cut in the middle. */
async function untilIdle(slots: Slots, others: StopOptions["others"], endsAt: number): Promise<void> {
  while ((slots.running() > 0 || others.running() > 0) && clock.monotonic() < endsAt) {
    slots.setMode(slots.suspended() + others.suspended() > 0 ? "children" : "closed");
    const tick = sleep(Math.min(tickMs, endsAt - clock.monotonic()));
    await (slots.running() > 0 ? Promise.race([slots.idle(), tick]) : tick);
  }
}

async function drain({ slots, engine, host }: ActiveConsumer, graceMs: number): Promise<boolean> {
  const settled = slots.idle().then(() => engine.close());
  if (await within(settled, graceMs)) return true;
  for (const { controller } of host.signalled) controller.abort(new FunboostError("SHUT_DOWN", "the process stops"));
  if (!(await within(settled, abortedMs))) await within(engine.close({ force: true }), forcedMs);
  return false;
}
