/** Waits until a task has ended: with its outcome, at its timeout, or when its signal says so. */

import { clock, sleep } from "../base/clock.ts";
import { FunboostError, isFunboostError, WaitTimeoutError } from "../base/errors.ts";
import { readStored } from "../base/json.ts";
import type { Store } from "../contract/store.ts";
import { abortSignal, type Checks, checkMembers, duration } from "../options/checks.ts";
import type { OpenQueue } from "../setup/model.ts";
import { requireStore } from "../store/require-store.ts";
import type { WaitOptions } from "../task/handle.ts";
import { type Outcome, toOutcome } from "../task/outcome.ts";

const waitChecks: Checks = { timeout: duration, signal: abortSignal };

export function checkWait(options: WaitOptions): void {
  checkMembers({ ...options }, waitChecks);
}

/** `facts`: with what only a record shows. */
export async function waitOutcome(
  task: OpenQueue,
  id: string,
  facts: boolean,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const { queue } = task.options;
  signal?.throwIfAborted();
  const late = new AbortController();
  // any() instead of a listener on the caller's signal: hundreds of waits may share one.
  const stop = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
  // Not unref'd: the process stays for as long as somebody waits.
  const cancel = clock.after(timeoutMs, () => late.abort(waitedTooLong(id, timeoutMs, queue)));
  try {
    return await nextOutcome(task, id, facts, stop);
  } catch (error) {
    throw stop.aborted ? stop.reason : error;
  } finally {
    cancel();
  }
}

function waitedTooLong(id: string, timeoutMs: number, queue: string): WaitTimeoutError {
  const text = `Task ${id} has not ended within ${timeoutMs} ms; it goes on. Is a worker consuming "${queue}"?`;
  return new WaitTimeoutError(text, queue);
}

async function nextOutcome(task: OpenQueue, id: string, facts: boolean, signal: AbortSignal): Promise<Outcome> {
  const { queue, scope, options } = task;
  if (!queue.result) {
    const store = requireStore(task, "rpc"); // a publisher's: a task is refused earlier
    const outcome = readStored<Outcome>(await waitThroughTrouble(store, scope, id, signal));
    if (outcome) return outcome;
    const text = `task ${id} has ended, and what the store keeps of it cannot be read: it is no JSON.`;
    throw new FunboostError("NO_RESULT", text, { where: options.queue });
  }
  const ended = await queue.result(id, { signal, facts });
  if (ended) return toOutcome(id, options.queue, ended);
  throw new FunboostError("NO_RESULT", `task ${id} is not known, or its result is no longer kept.`, {
    where: options.queue,
  });
}

const waitAgainMs = 500;

/** A wait ends with its outcome or its signal, not with an outage. */
async function waitThroughTrouble(store: Store, scope: string, id: string, signal: AbortSignal): Promise<string> {
  for (;;) {
    try {
      return await store.results.wait(scope, id, signal);
    } catch (error) {
      const over = signal.aborted || (isFunboostError(error) && error.code !== "BROKER_DOWN");
      if (over) throw error;
      await sleep(waitAgainMs, { signal });
    }
  }
}
