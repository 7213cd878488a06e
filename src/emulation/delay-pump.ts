/** Publishes due timers into their queue while it is consumed here. */
import { clock, sleep, withJitter } from "../base/clock.ts";
import { acceptedOf, isFunboostError, toError } from "../base/errors.ts";
import type { BrokerQueue, LeasedTimers, Store } from "../contract/index.ts";
import { trustedMs } from "../store/lease.ts";
import { fire } from "./firing.ts";

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

interface Pump {
  readonly queue: BrokerQueue;
  readonly store: Store;
  readonly name: string;
  readonly onError: (error: Error) => void;
  /** What is published, and the store did not hear of it yet. */
  unacked: readonly Entry[];
}

/** Answers a function that stops it, and resolves when it is idle. */
export function startPump(
  queue: BrokerQueue,
  store: Store,
  name: string,
  onError: (error: Error) => void,
): () => Promise<void> {
  const pump: Pump = { queue, store, name, onError, unacked: [] };
  const stop = new AbortController();
  let nap = new AbortController();
  const wake = () => nap.abort();
  const leave = enlist(store, name, wake);
  const run = async () => {
    while (!stop.signal.aborted) {
      nap = new AbortController();
      const waitMs = await turn(pump).catch((error) => {
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

type Entry = LeasedTimers["entries"][number];

/** Publishes what is due; answers how long nothing will be. */
async function turn(pump: Pump): Promise<number> {
  const { timers } = pump.store;
  if (pump.unacked.length > 0) await ack(pump, pump.unacked);
  const from = clock.monotonic();
  const { entries, nextDueMs } = await timers.lease([pump.name], { limit: batch, ttlMs: leaseMs });
  if (clock.monotonic() - from > trustedMs(leaseMs)) return 0; // somebody else has them by now
  if (entries.length === 0) return Math.max(1, Math.min(nextDueMs ?? pollMs, withJitter(pollMs)));
  return (await publish(pump, entries)) ? 0 : downMs;
}

/** True when all of them are in the queue. */
async function publish(pump: Pump, entries: readonly Entry[]): Promise<boolean> {
  const failure = await pump.queue.publish(entries.map(({ id, payload }) => fire(id, payload))).then(
    () => undefined,
    (error: unknown) => ({ error, accepted: new Set(acceptedOf(error)) }),
  );
  const left = failure ? entries.filter(({ id }) => !failure.accepted.has(id)) : [];
  const accepted = failure ? entries.filter(({ id }) => failure.accepted.has(id)) : entries;
  if (accepted.length > 0) await ack(pump, accepted);
  if (!failure || left.length === 0) return true;
  const isRefused = !(isFunboostError(failure.error) && failure.error.code === "BROKER_DOWN");
  if (isRefused && left.length > 1) return publishSingly(pump, left);
  pump.onError(toError(failure.error));
  const dueInMs = isRefused ? refusedMs : downMs;
  await pump.store.timers.add(left.map(({ queue, id, payload }) => ({ queue, id, payload, dueInMs })));
  return false;
}

/** One of them is at fault; it must not hold up the others. */
async function publishSingly(pump: Pump, entries: readonly Entry[]): Promise<boolean> {
  for (const entry of entries) await publish(pump, [entry]);
  return true;
}

async function ack(pump: Pump, published: readonly Entry[]): Promise<void> {
  pump.unacked = published;
  await pump.store.timers.ack(published);
  pump.unacked = [];
}
