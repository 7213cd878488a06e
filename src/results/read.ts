/** How a task has ended, as its engine or the store tells. */
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
  return text === undefined ? undefined : (JSON.parse(text) as Outcome);
}
