/** Waits until a task has ended: with its outcome, at its timeout, or when its signal says so. */

import { sleep } from "../base/clock.ts";
import { isFunboostError } from "../base/errors.ts";
import { readStored } from "../base/json.ts";
import type { Store } from "../contract/store.ts";
import { abortSignal, type Checks, checkMembers, duration, refuseOption } from "../options/checks.ts";
import type { OpenQueue } from "../setup/model.ts";
import { requireStore } from "../store/require-store.ts";
import type { WaitOptions } from "../task/handle.ts";
import { type Outcome, toOutcome } from "../task/outcome.ts";
import { deadlines } from "./deadlines.ts";
import { hearOutcome } from "./heard-wait.ts";
import { type KnownTask, type Loss, watchWait } from "./lost-waits.ts";
import { clearedOutcome } from "./new-outcome.ts";
import {
  earlierAgainMs,
  type HowToWait,
  lostError,
  ownOutcome,
  unreadable,
  waitAgainMs,
  waitedTooLong,
} from "./wait-ends.ts";

const waitChecks: Checks = {
  timeout: duration,
  signal: abortSignal,
  unknown(value, name) {
    if (value !== "wait") refuseOption(name, value, '"wait"');
  },
};

export function checkWait(options: WaitOptions): void {
  checkMembers({ ...options }, waitChecks);
}

export function waitOutcome(task: OpenQueue, known: KnownTask, how: HowToWait): Promise<Outcome> {
  const { store, queue } = task;
  const hear = queue.result ? undefined : store?.results.wait.hear;
  return store && hear ? hearOutcome(task, store, hear, known, how) : waitWithSignal(task, known, how);
}

async function waitWithSignal(task: OpenQueue, known: KnownTask, how: HowToWait): Promise<Outcome> {
  const { options, store, queue } = task;
  const { timeoutMs, signal } = how;
  signal?.throwIfAborted();
  const late = new AbortController();
  // any() instead of a listener on the caller's signal: hundreds of waits may share one.
  const stop = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
  const waiter = { timeoutMs, until: 0, late: () => late.abort(waitedTooLong(known.id, timeoutMs, options.queue)) };
  deadlines.add(waiter);
  let cleared: Outcome | undefined;
  const lose = (loss: Loss) => {
    if (loss === "cleared") cleared = clearedOutcome(options, known.id);
    late.abort(lostError(known.id, options.queue, loss));
  };
  const unwatch = store && !queue.result ? watchWait(task, store, known, lose) : undefined;
  try {
    return await nextOutcome(task, known, how, stop);
  } catch (error) {
    if (cleared) return cleared;
    throw stop.aborted ? stop.reason : error;
  } finally {
    deadlines.delete(waiter);
    unwatch?.();
  }
}

async function nextOutcome(task: OpenQueue, known: KnownTask, how: HowToWait, signal: AbortSignal): Promise<Outcome> {
  if (task.queue.result) return nextEnd(task, known, how, signal);
  const store = requireStore(task, "rpc"); // a publisher's: a task is refused earlier
  for (;;) {
    const outcome = readStored<Outcome>(await waitThroughTrouble(store, task.scope, known.id, signal));
    if (!outcome) throw unreadable(task, known);
    const own = await ownOutcome(task, store, known, outcome);
    if (own) return own;
    await sleep(earlierAgainMs, { signal });
  }
}

/** Of an engine that keeps results: it answers at once where it knows no such task. */
async function nextEnd(
  { queue, options }: OpenQueue,
  { id, knownAt, isAwaited }: KnownTask,
  { facts }: HowToWait,
  signal: AbortSignal,
): Promise<Outcome> {
  for (let misses = 0; ; await sleep(lookAgainMs, { signal })) {
    signal.throwIfAborted();
    const ended = await queue.result?.(id, { signal, facts });
    if (ended) return toOutcome(id, options.queue, ended);
    signal.throwIfAborted();
    const isAway = (await queue.state?.(id)) === "unknown"; // else it is held elsewhere, as by a timer
    misses = isAway && !(isAwaited && knownAt === undefined) ? misses + 1 : 0;
    if (misses > 1) throw lostError(id, options.queue, knownAt === undefined ? "unknown" : "gone");
  }
}

/** Between two looks for what an engine does not know. */
const lookAgainMs = 1_000;

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
