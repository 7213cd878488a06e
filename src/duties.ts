/** What a consuming process does beside running tasks: renew leases, rescue, look at flags. */
import { repeat } from "./clock.ts";
import type { Consumer } from "./contract/broker.ts";
import { toError } from "./errors.ts";
import type { Runtime } from "./runtime.ts";

/** Leases belong to a process, never to a host name. */
const owner = `${process.pid}-${Math.random().toString(36).slice(2)}`;

const flagPollMs = 380; // with its jitter below the 500 ms in which a pause is in force

/** Leases, rescue and flags, each on its own clock. Adapters keep no such timers. */
export function startDuties(runtime: Runtime, engine: Consumer, onError: (error: Error) => void, onPaused: (paused: boolean) => void): () => Promise<void> {
  const { queue, leaseMs, store, scope } = runtime;
  const failed = (error: unknown) => onError(toError(error));
  const stop = new AbortController();
  const duties: (() => Promise<void>)[] = [];
  if (engine.renew) duties.push(repeat(leaseMs / 4, async () => engine.renew?.(), failed)); // with its jitter every third of a lease at the latest
  if (queue.maintain) {
    duties.push(
      repeat(
        leaseMs / 4,
        async () => {
          if (!store || (await store.lease(`maintain:${scope}`, owner, leaseMs / 2))) await queue.maintain?.(stop.signal);
        },
        failed,
      ),
    );
  }
  if (queue.paused) duties.push(repeat(flagPollMs, async () => onPaused((await queue.paused?.()) ?? false), failed));
  return async () => {
    stop.abort();
    await Promise.all(duties.map((end) => end()));
    await store?.release(`maintain:${scope}`, owner).catch(() => {}); // it ends by itself
  };
}
