/** How waits for a result end, and when they look again: the same for all ways of waiting. */
import { FunboostError, WaitTimeoutError } from "../base/errors.ts";
import { readStored } from "../base/json.ts";
import type { Store } from "../contract/store.ts";
import type { OpenQueue } from "../setup/model.ts";
import type { Outcome } from "../task/outcome.ts";
import type { KnownTask, Loss } from "./lost-waits.ts";
import { isOfEarlierLife, mayBeEarlier } from "./read-outcome.ts";

export interface HowToWait {
  /** With what only a record shows. */
  readonly facts: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** After a store that does not answer. */
export const waitAgainMs = 500;
/** While the end of an earlier task under the same id is in the way. */
export const earlierAgainMs = 100;

/** Undefined: it is the end of an earlier task, and this one's is yet to come. */
export async function ownOutcome(
  task: OpenQueue,
  store: Store,
  { id, isNew, knownAt }: KnownTask,
  outcome: Outcome,
): Promise<Outcome | undefined> {
  const since = isNew ? knownAt : undefined;
  if (!mayBeEarlier(outcome, since)) return outcome;
  // Its state is read first: what is there then is this task's own, or its end is yet to come.
  if (await isOfEarlierLife(task, outcome, since)) return undefined;
  return readStored<Outcome>((await store.results.get(task.scope, [id]))[0]) ?? outcome;
}

export function waitedTooLong(id: string, timeoutMs: number, queue: string): WaitTimeoutError {
  const text = `Task ${id} has not ended within ${timeoutMs} ms; it goes on. Is a worker consuming "${queue}"?`;
  return new WaitTimeoutError(text, queue);
}

export function lostError(id: string, where: string, loss: Loss): FunboostError {
  if (loss !== "unknown")
    return new FunboostError("NO_RESULT", `task ${id} is over, and its result is not kept, or no longer.`, { where });
  const text = `task ${id} is not known: it was not published, or is over and forgotten.`;
  const advice = 'To wait for one that is published later: waitResult({ unknown: "wait" }).';
  return new FunboostError("UNKNOWN_TASK", `${text} ${advice}`, { where });
}

export function unreadable(task: OpenQueue, known: KnownTask): FunboostError {
  const text = `task ${known.id} has ended, and what the store keeps of it cannot be read: it is no JSON.`;
  return new FunboostError("NO_RESULT", text, { where: task.options.queue });
}
