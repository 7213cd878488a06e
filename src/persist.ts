/** Writes to the store that must not be lost: tried until they work, while the message stays ours. */
import { sleep } from "./clock.ts";
import { shared } from "./global.ts";
import type { Runtime } from "./runtime.ts";

const longestPauseMs = 5_000;
const dayMs = 86_400_000;

export async function insisting<T>({ log, options }: Runtime, work: () => Promise<T>): Promise<T> {
  const { generation } = shared();
  for (let pauseMs = 100, said = false; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      return await work();
    } catch (error) {
      if (!said) log.error({ queue: options.queue, error }, "the store does not answer; trying again until it does");
      said = true;
      await sleep(pauseMs, { unref: generation !== shared().generation }); // after shutdown() it must not hold the process
    }
  }
}

/** A counter that outlives the process where there is a store. It ends by itself after a day. */
export async function count(runtime: Runtime, key: string): Promise<number> {
  const { store } = runtime;
  if (!store) return localCount(key);
  const [value] = await insisting(runtime, () => store.increment([{ key, by: 1, ttlMs: dayMs }]));
  return value ?? 1;
}

const localCounts = new Map<string, number>();
const mostLocal = 10_000;

function localCount(key: string): number {
  const value = (localCounts.get(key) ?? 0) + 1;
  localCounts.delete(key);
  localCounts.set(key, value);
  const [oldest] = localCounts.keys();
  if (localCounts.size > mostLocal && oldest !== undefined) localCounts.delete(oldest);
  return value;
}
