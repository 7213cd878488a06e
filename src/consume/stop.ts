/** How a consumer ends: what runs may end within the grace time, then its signals abort, then it is left to be redelivered. */
import { clock, sleep, within } from "../base/clock.ts";
import { FunboostError } from "../base/errors.ts";
import type { Consumer } from "../contract/broker.ts";
import type { RunHost } from "../run/task-run.ts";
import type { Slots } from "../slots/slots.ts";

const tickMs = 50;
/** For runs to end after their signals aborted. */
const abortedMs = 1_000;
const dutiesMs = 1_000;
/** For an engine that hangs: what it holds is redelivered. */
const forcedMs = 5_000;

export interface Stopping {
  readonly graceMs: number;
  /** What runs in consumers that stop together with this one: their children may be in this queue. */
  readonly others: { running(): number; suspended(): number };
}

export interface StoppingConsumer {
  readonly slots: Slots;
  readonly engine: Consumer;
  readonly signalled: RunHost["signalled"];
  set(change: { readonly closing?: true }): void;
  stopDuties(): Promise<void>;
}

export async function stopConsumer(ending: StoppingConsumer, { graceMs, others }: Stopping): Promise<void> {
  const { slots, engine, set, stopDuties } = ending;
  set({ closing: true });
  engine.setWindow(0);
  const endsAt = clock.monotonic() + graceMs;
  try {
    await untilIdle(slots, others, endsAt);
    set({}); // closed, also for children
    await drain(ending, Math.max(0, endsAt - clock.monotonic()));
  } finally {
    await within(stopDuties(), dutiesMs); // a server that hangs must not hold us: leases end by themselves
  }
}

/** While a run waits for a child, children may start: a pipeline ends instead of being cut in the middle. */
async function untilIdle(slots: Slots, others: Stopping["others"], endsAt: number): Promise<void> {
  while ((slots.running() > 0 || others.running() > 0) && clock.monotonic() < endsAt) {
    slots.setMode(slots.suspended() + others.suspended() > 0 ? "children" : "closed");
    const tick = sleep(Math.min(tickMs, endsAt - clock.monotonic()));
    await (slots.running() > 0 ? Promise.race([slots.idle(), tick]) : tick);
  }
}

async function drain({ slots, engine, signalled }: StoppingConsumer, graceMs: number): Promise<void> {
  const settled = slots.idle().then(() => engine.close());
  if (await within(settled, graceMs)) return;
  for (const { controller } of signalled) controller.abort(new FunboostError("SHUT_DOWN", "the process stops"));
  if (await within(settled, abortedMs)) return;
  await within(engine.close({ force: true }), forcedMs);
}
