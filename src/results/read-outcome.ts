/** How a task stands or has ended, as its engine or the store tells. */
import { clock } from "../base/clock.ts";
import { readStored } from "../base/json.ts";
import { isOpen } from "../base/task-state.ts";
import type { FinalStatus, MessageState } from "../contract/broker.ts";
import type { OpenQueue } from "../setup/model.ts";
import { type Outcome, toOutcome } from "../task/outcome.ts";

/** Longer than a result is there before its message is acknowledged. */
const settleMs = 5_000;

/** How it ended, if it has. `since`: its publisher's time, where it is new. */
export async function readOutcome(
  task: OpenQueue,
  id: string,
  facts: boolean,
  since?: number,
): Promise<Outcome | undefined> {
  const { queue, store, scope, options } = task;
  if (queue.result) {
    const ended = await queue.result(id, { facts });
    return ended && toOutcome(id, options.queue, ended);
  }
  const [text] = store ? await store.results.get(scope, [id]) : [];
  return ownOf(task, text, since);
}

/** Of what the store has under an id. */
async function ownOf(task: OpenQueue, text: string | undefined, since?: number): Promise<Outcome | undefined> {
  const outcome = readStored<Outcome>(text);
  return outcome && (await isOfEarlierLife(task, outcome, since)) ? undefined : outcome;
}

/** As far as the engine and the store can tell. Undefined: neither can. */
export async function stateOf(
  task: OpenQueue,
  id: string,
  since?: number,
): Promise<MessageState | FinalStatus | undefined> {
  return (await readOutcome(task, id, false, since))?.status ?? (await task.queue.state?.(id));
}

/** Of each, in their order: the store is asked for all at once, and the engine for the rest within one tick. */
export async function statesOf(
  task: OpenQueue,
  ids: readonly string[],
): Promise<readonly (MessageState | FinalStatus | undefined)[]> {
  const { queue, store, scope } = task;
  if (queue.result || !store || ids.length === 1) return Promise.all(ids.map((id) => stateOf(task, id)));
  const texts = await store.results.get(scope, ids);
  return Promise.all(ids.map(async (id, i) => (await ownOf(task, texts[i]))?.status ?? (await queue.state?.(id))));
}

/**
 * Ids that an engine counts begin again when somebody empties its queue: then the store may still have the end of
 * another task. Where its engine says that this one has not ended, it is.
 */
export async function isOfEarlierLife({ queue }: OpenQueue, outcome: Outcome, since?: number): Promise<boolean> {
  if (!mayBeEarlier(outcome, since)) return false;
  const state = await queue.state?.(outcome.id).catch(() => undefined);
  const mayBeSettling = since === undefined && state === "running" && clock.now() - outcome.endedAt < settleMs;
  return isOpen(state) && !mayBeSettling;
}

interface Life {
  readonly id: string;
  readonly publishedAt?: number | undefined;
}

/** Without a question to anybody: engines count in whole numbers, and make other ids only once. */
export function mayBeEarlier({ id, publishedAt }: Life, since?: number): boolean {
  return publishedAt !== undefined && !(since !== undefined && publishedAt >= since) && /^\d+$/.test(id);
}
