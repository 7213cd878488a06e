/** Starts of a message that takes its process down with it: counted while it runs alone, forgotten when one ends. */
import type { Delivery } from "../contract/broker.ts";
import type { OpenQueue } from "../setup/model.ts";
import { countUp, insist } from "../store/insist.ts";

/** From so many on it runs apart from its neighbours. */
const suspectAt = 2;

export function isSuspect({ crashes }: Delivery): boolean {
  return crashes !== undefined && crashes >= suspectAt;
}

/** Counts the start of a suspect, which is alone in its process; true after too many. */
export async function crashedTooOften(task: OpenQueue, delivery: Delivery): Promise<boolean> {
  const { options, store } = task;
  if (!store) return (delivery.crashes ?? 0) >= options.maxCrashes + suspectAt;
  return (await countUp(task, crashKey(task, delivery))) > options.maxCrashes;
}

/** A start has ended, well or not: it was no crash. */
export async function forgetCrashes(task: OpenQueue, delivery: Delivery): Promise<void> {
  await insist(task, async () => task.store?.delete([crashKey(task, delivery)]));
}

export function crashedText({ maxCrashes }: OpenQueue["options"]): string {
  return `its process died ${maxCrashes} times while it ran alone (maxCrashes)`;
}

function crashKey({ scope }: OpenQueue, { id, publishedAt }: Delivery): string {
  return `alone:${encodeURIComponent(scope)}:${id}:${publishedAt ?? 0}`;
}
