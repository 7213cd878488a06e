/** Publishes due timers into their queue while it is consumed here. */
import { jittered, sleep } from "../clock.ts";
import type { BrokerQueue, Message, Store } from "../contract/index.ts";
import { isFunboostError, toError } from "../errors.ts";
import { parseJson } from "../json.ts";

const batch = 500;
const leaseMs = 10_000;
/** Timers that other processes add are seen this late at most; with its jitter half a second. */
const pollMs = 400;
const downMs = 500;
const refusedMs = 60_000;

/** The pumps of this process: what is published here wakes them at once, through whichever handle. */
const pumps = new WeakMap<Store, Map<string, Set<() => void>>>();

export function wakePumps(store: Store, name: string): void {
  for (const wake of pumps.get(store)?.get(name) ?? []) wake();
}

/** Answers a function that stops it, and resolves when it is idle. */
export function startPump(queue: BrokerQueue, store: Store, name: string, onError: (error: Error) => void): () => Promise<void> {
  const stop = new AbortController();
  let nap = new AbortController();
  const wake = () => nap.abort();
  const leave = enlist(store, name, wake);
  const run = async () => {
    while (!stop.signal.aborted) {
      nap = new AbortController();
      const waitMs = await fire(queue, store, name, onError).catch((error) => {
        onError(toError(error));
        return downMs;
      });
      if (waitMs > 0 && !stop.signal.aborted) await sleep(waitMs, { signal: nap.signal, unref: true });
    }
  };
  const running = run();
  return () => {
    leave();
    stop.abort();
    wake();
    return running;
  };
}

function enlist(store: Store, name: string, wake: () => void): () => void {
  const byName = pumps.get(store) ?? new Map<string, Set<() => void>>();
  pumps.set(store, byName);
  const here = byName.get(name) ?? new Set();
  byName.set(name, here.add(wake));
  return () => {
    here.delete(wake);
    if (here.size === 0 && byName.get(name) === here) byName.delete(name);
  };
}

interface Entry {
  readonly id: string;
  readonly payload: string;
}

/** Publishes what is due; answers how long nothing will be. */
async function fire(queue: BrokerQueue, { timers }: Store, name: string, onError: (error: Error) => void): Promise<number> {
  const { entries, nextDueMs } = await timers.lease(name, batch, leaseMs);
  if (entries.length === 0) return Math.max(1, Math.min(nextDueMs ?? pollMs, jittered(pollMs)));
  const giveBack = (left: readonly Entry[], dueInMs: number) => timers.add(name, left.map((entry) => ({ ...entry, dueInMs })));
  try {
    await publish(queue, entries);
    await timers.ack(name, idsOf(entries));
    return 0;
  } catch (error) {
    const accepted = new Set((error as { accepted?: readonly string[] }).accepted);
    await timers.ack(name, [...accepted]);
    const left = entries.filter(({ id }) => !accepted.has(id));
    if (left.length > 1 && isRefusal(error)) {
      // One of them is at fault: singly, so that it holds up no other.
      for (const entry of left) await publish(queue, [entry]).then(() => timers.ack(name, [entry.id]), (cause) => refuse(cause, entry));
      return 0;
    }
    onError(toError(error));
    await giveBack(left, isRefusal(error) ? refusedMs : downMs);
    return downMs;
  }
  async function refuse(cause: unknown, entry: Entry): Promise<void> {
    onError(toError(cause));
    await giveBack([entry], isRefusal(cause) ? refusedMs : downMs);
  }
}

const idsOf = (entries: readonly Entry[]) => entries.map(({ id }) => id);

function isRefusal(error: unknown): boolean {
  return !(isFunboostError(error) && error.code === "BROKER_DOWN");
}

async function publish(queue: BrokerQueue, entries: readonly Entry[]): Promise<void> {
  await queue.publish(entries.map(({ payload }) => parseJson(payload) as Message));
}
