/** waitIdle: nothing waits, is delayed or runs, in two reads. */
import { type Checks, checkMembers, duration } from "./checks.ts";
import { clock } from "./clock.ts";
import { currentRun } from "./context.ts";
import type { Definition } from "./definition.ts";
import { type Duration, durationMs } from "./duration.ts";
import { FunboostError, WaitTimeoutError } from "./errors.ts";
import { untilQuiet } from "./handle.ts";
import { callQueue } from "./queue-calls.ts";
import { resolve } from "./runtime.ts";

export interface WaitIdleOptions {
  /** Time between the two reads that must both find nothing. @default "100ms" */
  readonly quietFor?: Duration;
  /** @default none: waits as long as it takes */
  readonly timeout?: Duration;
  readonly signal?: AbortSignal;
}

const checks: Checks = { quietFor: duration, timeout: duration, signal() {} };

export async function waitIdle(definition: Definition, options: WaitIdleOptions = {}): Promise<void> {
  checkMembers({ ...options }, checks);
  const { quietFor = 100, timeout, signal } = options;
  const { queue, brokerName } = await resolve(definition);
  const name = definition.params.queue;
  if (!queue.features.exactCount)
    throw new FunboostError("UNSUPPORTED", "cannot count exactly, so waitIdle() could not tell when a queue is idle.", { where: brokerName });
  if (currentRun()?.queue === name)
    throw new FunboostError("UNSUPPORTED", "waitIdle() inside a task of the same queue would wait for itself.", { where: name });
  const quietMs = durationMs(quietFor, "quietFor");
  const endsAt = timeout === undefined ? Number.POSITIVE_INFINITY : clock.monotonic() + durationMs(timeout, "timeout");
  const idle = async () => {
    const { ready, delayed, running = 0 } = await callQueue(definition, "count");
    return ready + delayed + running === 0;
  };
  await untilQuiet(idle, quietMs, () => {
    signal?.throwIfAborted();
    if (clock.monotonic() > endsAt) throw new WaitTimeoutError(`the queue was not idle within ${timeout}.`, name);
  });
}
