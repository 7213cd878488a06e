/**
 * Messages that are calls, but none that this version of the task takes: since when each is tried, and when it is tried
 * again. The time is kept beside the message, so that it outlives whoever put it off.
 */
import { clock } from "../base/clock.ts";
import type { Delivery } from "../contract/broker.ts";
import type { OpenQueue } from "../setup/model.ts";
import { firstTime, forgetTime, insist } from "../store/insist.ts";

/** A deploy is over by then. */
const longestMs = 15 * 60_000;
const firstPauseMs = 1_000;
const longestPauseMs = 60_000;

/** How long until it is tried again: 1 s, doubling to a minute. Undefined: it was tried for long enough. */
export async function putOffMs(
  task: OpenQueue,
  delivery: Delivery,
  error: Error,
  isLasting = false,
): Promise<number | undefined> {
  const now = await timeOf(task);
  const since = await firstTime(task, unboundKey(task, delivery), now);
  const facts = { queue: task.options.queue, taskId: delivery.id, error: error.message };
  if (since === now) task.log.warn(facts, "a message that no task here takes; put off for another version");
  const elapsedMs = now - since;
  const leftMs = isLasting ? longestPauseMs : longestMs - elapsedMs;
  return leftMs <= 0 ? undefined : Math.min(elapsedMs + firstPauseMs, longestPauseMs, leftMs);
}

/** It is over: redriven, it counts from its first try again. */
export async function forgetUnbound(task: OpenQueue, delivery: Delivery): Promise<void> {
  await forgetTime(task, unboundKey(task, delivery));
}

/** Of the store where there is one: the clocks of the processes that try it may differ. */
async function timeOf(task: OpenQueue): Promise<number> {
  const { store } = task;
  return store ? insist(task, () => store.now()) : clock.now();
}

function unboundKey({ scope }: OpenQueue, { id, publishedAt }: Delivery): string {
  return `unbound:${encodeURIComponent(scope)}:${id}:${publishedAt ?? 0}`;
}
