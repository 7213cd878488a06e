/** Waits until a task has ended: with its outcome, at its timeout, or when its signal says so. */

import { clock, sleep } from "../base/clock.ts";
import { FunboostError, isFunboostError, WaitTimeoutError } from "../base/errors.ts";
import { readStored } from "../base/json.ts";
import type { Store } from "../contract/store.ts";
import { abortSignal, type Checks, checkMembers, duration, refuseOption } from "../options/checks.ts";
import type { OpenQueue } from "../setup/model.ts";
import { requireStore } from "../store/require-store.ts";
import type { WaitOptions } from "../task/handle.ts";
import { type Outcome, toOutcome } from "../task/outcome.ts";
import { type KnownTask, type Loss, watchWait } from "./lost-waits.ts";
import { clearedOutcome } from "./new-outcome.ts";
import { isOfEarlierLife, mayBeEarlier } from "./read-outcome.ts";

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

interface HowToWait {
  /** With what only a record shows. */
  readonly facts: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export async function waitOutcome(task: OpenQueue, known: KnownTask, how: HowToWait): Promise<Outcome> {
  const { options, store, queue } = task;
  const { timeoutMs, signal } = how;
  signal?.throwIfAborted();
  const late = new AbortController();
  // any() instead of a listener on the caller's signal: hundreds of waits may share one.
  const stop = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
  // Not unref'd: the process stays for as long as somebody waits.
  const cancel = clock.after(timeoutMs, () => late.abort(waitedTooLong(known.id, timeoutMs, options.queue)));
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
    cancel();
    unwatch?.();
  }
}

function waitedTooLong(id: string, timeoutMs: number, queue: string): WaitTimeoutError {
  const text = `Task ${id} has not ended within ${timeoutMs} ms; it goes on. Is a worker consuming "${queue}"?`;
  return new WaitTimeoutError(text, queue);
}

function lostError(id: string, where: string, loss: Loss): FunboostError {
  if (loss !== "unknown")
    return new FunboostError("NO_RESULT", `task ${id} is over, and its result is not kept, or no longer.`, { where });
  const text = `task ${id} is not known: it was not published, or is over and forgotten.`;
  const advice = 'To wait for one that is published later: waitResult({ unknown: "wait" }).';
  return new FunboostError("UNKNOWN_TASK", `${text} ${advice}`, { where });
}

async function nextOutcome(task: OpenQueue, known: KnownTask, how: HowToWait, signal: AbortSignal): Promise<Outcome> {
  if (task.queue.result) return nextEnd(task, known, how, signal);
  const store = requireStore(task, "rpc"); // a publisher's: a task is refused earlier
  for (;;) {
    const outcome = readStored<Outcome>(await waitThroughTrouble(store, task.scope, known.id, signal));
    if (!outcome) throw unreadable(task, known);
    const since = known.isNew ? known.knownAt : undefined;
    if (!mayBeEarlier(outcome, since)) return outcome;
    // Its state is read first: what is there then is this task's own, or its end is yet to come.
    if (!(await isOfEarlierLife(task, outcome, since)))
      return readStored<Outcome>((await store.results.get(task.scope, [known.id]))[0]) ?? outcome;
    await sleep(earlierAgainMs, { signal });
  }
}

function unreadable(task: OpenQueue, known: KnownTask): FunboostError {
  const text = `task ${known.id} has ended, and what the store keeps of it cannot be read: it is no JSON.`;
  return new FunboostError("NO_RESULT", text, { where: task.options.queue });
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
const waitAgainMs = 500;
/** While the end of an earlier task under the same id is in the way. */
const earlierAgainMs = 100;

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
