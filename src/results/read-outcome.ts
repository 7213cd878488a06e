/** How a task stands or has ended, as its engine or the store tells. */
import { readStored } from "../base/json.ts";
import type { FinalStatus, MessageState } from "../contract/broker.ts";
import type { OpenQueue } from "../setup/model.ts";
import { type Outcome, toOutcome } from "../task/outcome.ts";

/** How it ended, if it has. */
export async function readOutcome(
  { queue, store, scope, options }: OpenQueue,
  id: string,
  facts: boolean,
): Promise<Outcome | undefined> {
  if (queue.result) {
    const ended = await queue.result(id, { facts });
    return ended && toOutcome(id, options.queue, ended);
  }
  const [text] = store ? await store.results.get(scope, [id]) : [];
  return readStored<Outcome>(text);
}

/** As far as the engine and the store can tell. Undefined: neither can. */
export async function stateOf(task: OpenQueue, id: string): Promise<MessageState | FinalStatus | undefined> {
  return (await readOutcome(task, id, false))?.status ?? (await task.queue.state?.(id));
}
