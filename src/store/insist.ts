/** Writes to the store that must not be lost: tried until they work, while the message stays ours. */
import { sleep } from "../base/clock.ts";
import { createForgetfulMap } from "../base/forgetful-map.ts";
import { shared } from "../base/process-wide.ts";
import type { Runtime } from "../setup/open.ts";
import { healthOf } from "./health.ts";

const longestPauseMs = 5_000;
const dayMs = 86_400_000;

/** No `async` where it works at once: each promise of a run counts. */
export function insisting<T>(runtime: Runtime, work: () => Promise<T>): Promise<T> {
  const { generation } = shared();
  return work().catch((error: unknown) => insistAfter(error, runtime, work, generation));
}

async function insistAfter<T>(
  first: unknown,
  { log, options, store }: Runtime,
  work: () => Promise<T>,
  generation: number,
): Promise<T> {
  const health = store && healthOf(store);
  let error = first;
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    health?.say(log, { queue: options.queue }, error);
    const unref = generation !== shared().generation; // after shutdown() it must not hold the process
    await (health ? health.nap(pauseMs, { unref }) : sleep(pauseMs, { unref }));
    try {
      return await work();
    } catch (next) {
      error = next;
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

const localCounts = createForgetfulMap<string, number>(10_000);

function localCount(key: string): number {
  const value = (localCounts.get(key) ?? 0) + 1;
  localCounts.set(key, value);
  return value;
}
