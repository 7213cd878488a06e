/** waitIdle: nothing waits, is delayed or runs, in two reads. */

import { clock, sleep } from "../base/clock.ts";
import { type Duration, durationMs } from "../base/duration.ts";
import { FunboostError, WaitTimeoutError } from "../base/errors.ts";
import { abortSignal, type Checks, checkMembers, duration } from "../options/checks.ts";
import { callQueue } from "../queue/call-queue.ts";
import type { Definition } from "../setup/model.ts";
import { openTask } from "../setup/open.ts";
import { currentRun, suspendFor, waitSignal } from "../task/context.ts";

export interface WaitIdleOptions {
  /** Time between the two reads that must both find nothing. @default "100ms" */
  readonly quietFor?: Duration;
  /** @default none: waits as long as it takes */
  readonly timeout?: Duration;
  readonly signal?: AbortSignal;
}

const checks: Checks = { quietFor: duration, timeout: duration, signal: abortSignal };
/** Between two looks at a queue that is not idle. */
const [leastMs, mostMs] = [20, 100];

export async function waitIdle(definition: Definition, options: WaitIdleOptions = {}): Promise<void> {
  checkMembers({ ...options }, checks);
  const { queue, brokerName } = await openTask(definition);
  const name = definition.params.queue;
  if (!queue.features.exactCount)
    throw new FunboostError("UNSUPPORTED", "cannot count exactly, so waitIdle() could not tell when a queue is idle.", {
      where: brokerName,
    });
  if (currentRun()?.queue === name)
    throw new FunboostError("UNSUPPORTED", "waitIdle() inside a task of the same queue would wait for itself.", {
      where: name,
    });
  await suspendFor(untilIdle(definition, options, waitSignal(options)));
}

async function untilIdle(
  definition: Definition,
  { quietFor = 100, timeout }: WaitIdleOptions,
  signal: AbortSignal | undefined,
): Promise<void> {
  const quietMs = durationMs(quietFor, "quietFor");
  const endsAt = timeout === undefined ? Number.POSITIVE_INFINITY : clock.monotonic() + durationMs(timeout, "timeout");
  for (let quiet = 0; ; ) {
    signal?.throwIfAborted();
    const { ready, delayed, running = 0 } = await callQueue(definition, "count");
    quiet = ready + delayed + running === 0 ? quiet + 1 : 0;
    if (quiet === 2) return;
    const pauseMs = quiet === 1 ? quietMs : Math.max(leastMs, Math.min(quietMs, mostMs));
    const leftMs = endsAt - clock.monotonic();
    await sleep(Math.min(pauseMs, leftMs), { signal });
    signal?.throwIfAborted();
    if (pauseMs >= leftMs)
      throw new WaitTimeoutError(`the queue was not idle within ${timeout}.`, definition.params.queue);
  }
}
