/** handle.cancel(): out of the queue what waits, a word to whoever runs it. */
import { clock, sleep } from "../base/clock.ts";
import { isFunboostError, needsStore } from "../base/errors.ts";
import { isOver } from "../base/task-state.ts";
import { askToCancel } from "../queue/cancelled-ids.ts";
import { answerCancelled, keepCancelled } from "./keep-end.ts";
import { readRow } from "./query-records.ts";
import { stateOf } from "./read-outcome.ts";
import type { RecordedTask } from "./recorder.ts";

/** While a connection is lost, or a server starts. */
const againMs = 200;

/** Tried for as long as a publish may take: a cancel that is asked during a reconnect must not be lost. */
export async function cancelTask(task: RecordedTask, id: string): Promise<boolean> {
  const endsAt = clock.monotonic() + task.options.publishTimeoutMs;
  for (let first = true; ; first = false) {
    try {
      return await cancelOnce(task, id, first);
    } catch (error) {
      if (!isFunboostError(error) || error.code !== "BROKER_DOWN" || clock.monotonic() >= endsAt) throw error;
      await sleep(againMs);
    }
  }
}

/** Not the first: what it finds gone may be what it has removed, and the answer was lost. */
async function cancelOnce(task: RecordedTask, id: string, first: boolean): Promise<boolean> {
  const { queue, store, brokerName, scope } = task;
  if (!queue.cancel && !store) throw needsStore(brokerName, "cancel()");
  const removed = (await queue.cancel?.([id])) ?? [];
  // Before the store is asked anything: it may be away, and the message is gone.
  if (removed.length > 0) return keepRemoved(task, id);
  const state = await stateOf(task, id);
  if (!first && state === "unknown" && (await readRow(task, id)) === undefined) return keepRemoved(task, id);
  if (isOver(state)) return false;
  if (!store) return ((await queue.askToEnd?.([id])) ?? []).length > 0;
  await askToCancel(store, scope, id);
  if (!queue.cancel) await answerCancelled(task, id); // nobody can tell whether it runs
  return true;
}

async function keepRemoved(task: RecordedTask, id: string): Promise<true> {
  await keepCancelled(task, id);
  return true;
}
