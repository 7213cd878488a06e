/** handle.cancel() and task.cancelMany(): out of the queue what waits, a word to whoever runs it. */
import { clock, sleep } from "../base/clock.ts";
import { isFunboostError, needsStore } from "../base/errors.ts";
import { isOver } from "../base/task-state.ts";
import { askToCancel } from "../queue/cancelled-ids.ts";
import { answerCancelled, keepCancelled } from "./keep-end.ts";
import { readRow } from "./query-records.ts";
import { statesOf } from "./read-outcome.ts";
import type { RecordedTask } from "./recorder.ts";

/** While a connection is lost, or a server starts. */
const againMs = 200;

/** By id: whether it is, or will be, cancelled. What is missing is not known yet. */
type Answers = Map<string, boolean>;

/** An engine may look through its queue for each, in one script that holds up all others. */
const mostAtOnce = 250;

/**
 * Tried for as long as a publish may take: a cancel that is asked during a reconnect must not be lost. Answers for each
 * id, in their order.
 */
export async function cancelTasks(task: RecordedTask, ids: readonly string[]): Promise<boolean[]> {
  const answers: Answers = new Map();
  const all = [...new Set(ids)];
  for (let from = 0; from < all.length; from += mostAtOnce)
    await cancelSome(task, all.slice(from, from + mostAtOnce), answers);
  return ids.map((id) => answers.get(id) ?? false);
}

async function cancelSome(task: RecordedTask, ids: readonly string[], answers: Answers): Promise<void> {
  const endsAt = clock.monotonic() + task.options.publishTimeoutMs;
  const asked = { isLost: false };
  for (;;) {
    try {
      const open = ids.filter((id) => !answers.has(id));
      return await cancelOnce(task, open, answers, asked);
    } catch (error) {
      if (!isFunboostError(error) || error.code !== "BROKER_DOWN" || clock.monotonic() >= endsAt) throw error;
      await sleep(againMs);
    }
  }
}

/** The engine's answer was lost: what it has removed is gone all the same. */
interface Asked {
  isLost: boolean;
}

async function cancelOnce(task: RecordedTask, ids: readonly string[], answers: Answers, asked: Asked): Promise<void> {
  const { queue, store, brokerName } = task;
  if (!queue.cancel && !store) throw needsStore(brokerName, "cancel()");
  const removing = queue.cancel?.(ids).catch((error: unknown) => {
    asked.isLost = true;
    throw error;
  });
  const removed = new Set(await removing);
  // Before the store is asked anything: it may be away, and the messages are gone.
  await keepRemoved(task, [...removed], answers);
  const rest = ids.filter((id) => !removed.has(id));
  if (rest.length === 0) return;
  const states = await statesOf(task, rest);
  if (asked.isLost) await keepLost(task, rest, states, answers);
  for (const [i, id] of rest.entries()) if (isOver(states[i]) && !answers.has(id)) answers.set(id, false);
  const running = rest.filter((id) => !answers.has(id));
  if (running.length > 0) await askRunning(task, running, answers);
}

async function keepRemoved(task: RecordedTask, ids: readonly string[], answers: Answers): Promise<void> {
  for (const id of ids) answers.set(id, true);
  await Promise.all(ids.map((id) => keepCancelled(task, id)));
}

/** What is gone may be what was removed, when the answer was lost. */
async function keepLost(
  task: RecordedTask,
  ids: readonly string[],
  states: readonly unknown[],
  answers: Answers,
): Promise<void> {
  const unknown = ids.filter((_, i) => states[i] === "unknown");
  const rows = await Promise.all(unknown.map((id) => readRow(task, id)));
  const lost = unknown.filter((_, i) => rows[i] === undefined);
  await keepRemoved(task, lost, answers);
}

async function askRunning(task: RecordedTask, ids: readonly string[], answers: Answers): Promise<void> {
  const { queue, store, scope } = task;
  if (!store) {
    const asked = new Set(await queue.askToEnd?.(ids));
    for (const id of ids) answers.set(id, asked.has(id));
    return;
  }
  await askToCancel(store, scope, ids);
  if (!queue.cancel) await Promise.all(ids.map((id) => answerCancelled(task, id))); // nobody can tell whether it runs
  for (const id of ids) answers.set(id, true);
}
