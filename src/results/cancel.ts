/** handle.cancel(): out of the queue what waits, a word to whoever runs it. */

import { clock, sleep } from "../base/clock.ts";
import { isFunboostError, needsStore } from "../base/errors.ts";
import { isOver } from "../base/task-state.ts";
import type { FinalStatus, MessageState } from "../contract/broker.ts";
import { keepCancel } from "../queue/cancelled-ids.ts";
import { tellCancel } from "../queue/live-limits.ts";
import type { OpenTask } from "../setup/model.ts";
import { keepCancelled, recordCancelled } from "./keep.ts";
import { readRow } from "./query-records.ts";
import { readOutcome } from "./read.ts";

/** While a connection is lost, or a server starts. */
const againMs = 200;

/** Tried for as long as a publish may take: a cancel that is asked during a reconnect must not be lost. */
export async function cancelTask(task: OpenTask, id: string): Promise<boolean> {
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
async function cancelOnce(task: OpenTask, id: string, first: boolean): Promise<boolean> {
  const { queue, store, brokerName, scope } = task;
  if (!queue.cancel && !store) throw needsStore(brokerName, "cancel()");
  const removed = (await queue.cancel?.([id])) ?? [];
  if (removed.length > 0) return takenOut(task, id); // before the store is asked anything: it may be away, and the message is gone
  const state = await stateOf(task, id);
  if (!first && state === "unknown" && (await readRow(task, id)) === undefined) return takenOut(task, id);
  if (isOver(state)) return false;
  if (!store) return ((await queue.askToEnd?.([id])) ?? []).length > 0;
  await keepCancel(store, scope, id);
  await tellCancel(task);
  if (!queue.cancel) await keepCancelled(task, id); // it may wait for long yet, and nobody can tell whether it runs
  return true;
}

async function takenOut(task: OpenTask, id: string): Promise<true> {
  await recordCancelled(task, id);
  await keepCancelled(task, id);
  return true;
}

/** As far as the engine and the store can tell. Undefined: neither can. */
export async function stateOf(task: OpenTask, id: string): Promise<MessageState | FinalStatus | undefined> {
  return (await readOutcome(task, id, false))?.status ?? (await task.queue.state?.(id));
}
