/** clear(): takes out what waits and is delayed, and leaves word of it for those who wait for a result. */
import type { Store } from "../contract/store.ts";
import type { Definition, OpenQueue } from "../setup/model.ts";
import { openTask } from "../setup/open.ts";
import { callQueue } from "./call-queue.ts";

/** Longer than anybody waits. */
const keptMs = 7 * 86_400_000;

const clearedKey = (scope: string) => `cleared:${encodeURIComponent(scope)}`;

/** One mark for all that it removed, with the store's time: afterwards, so that whoever sees it finds them gone. */
export async function clearQueue(definition: Definition): Promise<void> {
  await callQueue(definition, "clear");
  const { store, scope, queue } = definition.open ?? (await openTask(definition));
  if (!store || queue.result) return; // an engine that keeps results tells by itself
  await store.set([{ key: clearedKey(scope), value: String(await store.now()), ttlMs: keptMs }]);
}

/** When the queue was cleared last, in the store's time. */
export async function readClearedAt(store: Store, { scope }: OpenQueue): Promise<number | undefined> {
  const [at] = await store.get([clearedKey(scope)]);
  return at === undefined ? undefined : Number(at);
}
