/** Writes to the store that must not be lost: tried until they work, while the message stays ours. */
import { sleep } from "../base/clock.ts";
import { createForgetfulMap } from "../base/forgetful-map.ts";
import { lifetime } from "../base/lifetime.ts";
import type { Logger } from "../base/log.ts";
import type { Store } from "../contract/store.ts";
import { healthOf } from "./health.ts";

const longestPauseMs = 5_000;
const dayMs = 86_400_000;

/** Whose writes these are. */
export interface Writer {
  readonly options: { readonly queue: string };
  readonly store: Store | undefined;
  readonly log: Logger;
}

/** No `async` where it works at once: each promise of a run counts. */
export function insist<T>(task: Writer, work: () => Promise<T>): Promise<T> {
  const { generation } = lifetime();
  return work().catch((error: unknown) => insistAfter(error, task, work, generation));
}

async function insistAfter<T>(
  first: unknown,
  { log, options, store }: Writer,
  work: () => Promise<T>,
  generation: number,
): Promise<T> {
  const health = store && healthOf(store);
  let error = first;
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    health?.say(log, { queue: options.queue }, error);
    const unref = generation !== lifetime().generation; // after shutdown() it must not hold the process
    await (health ? health.nap(pauseMs, { unref }) : sleep(pauseMs, { unref }));
    try {
      return await work();
    } catch (next) {
      error = next;
    }
  }
}

/** A counter that outlives the process where there is a store. It ends by itself after a day. */
export async function countUp(task: Writer, key: string): Promise<number> {
  const { store } = task;
  if (!store) return localCount(key);
  const [value] = await insist(task, () => store.increment([{ key, by: 1, ttlMs: dayMs }]));
  return value ?? 1;
}

/**
 * When this was first asked under this key, in epoch milliseconds: `now` at the first time. Outlives the process where
 * there is a store; forgotten after a day.
 */
export async function firstTime(task: Writer, key: string, now: number): Promise<number> {
  const { store } = task;
  if (!store) return localTime(key, now);
  const first = { key, value: String(now), ttlMs: dayMs };
  const [isFirst] = await insist(task, () => store.set([{ ...first, if: "absent" }]));
  const [found] = isFirst ? [] : await insist(task, () => store.get([key]));
  const time = Number(found ?? now);
  if (time <= now) return time;
  await insist(task, () => store.set([first])); // by a clock that was ahead: nothing is as late as it says
  return now;
}

export async function forgetTime(task: Writer, key: string): Promise<void> {
  localTimes.delete(key);
  await insist(task, async () => task.store?.delete([key]));
}

const localTimes = createForgetfulMap<string, number>(10_000);

function localTime(key: string, now: number): number {
  const time = Math.min(localTimes.get(key) ?? now, now);
  localTimes.set(key, time);
  return time;
}

const localCounts = createForgetfulMap<string, number>(10_000);

function localCount(key: string): number {
  const value = (localCounts.get(key) ?? 0) + 1;
  localCounts.set(key, value);
  return value;
}
