/** withLock(): one at a time, over all processes that share a store. */

import { clock, sleep, within } from "./base/clock.ts";
import { type Duration, durationMs } from "./base/duration.ts";
import { describe, FunboostError } from "./base/errors.ts";
import type { Broker } from "./contract/broker.ts";
import type { BrokerChoice } from "./contract/brokers.ts";
import type { Store } from "./contract/store.ts";
import { type Checks, checkMembers, duration, isRecord } from "./options/checks.ts";
import { configuration } from "./setup/configure.ts";
import { defaultBroker, nameOfBroker } from "./setup/definition.ts";
import { openBroker } from "./setup/open-broker.ts";
import { guardedStore } from "./store/guarded.ts";
import { type Lease, takeLease } from "./store/lease.ts";
import { requireStore } from "./store/require-store.ts";

export interface LockOptions {
  /** After which a holder that died is free again; renewed while it lives. 200 ms or more. @default "30s" */
  readonly ttl?: Duration;
  /** How long to wait for it; 0: not at all. @default no limit */
  readonly wait?: Duration;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
  /** Whose store keeps it. @default that of `configure({ store })`, else that of the default broker */
  readonly broker?: BrokerChoice;
}

const leastTtlMs = 200;
const lookAgainMs = 100;
/** For the store to hear that it is free again: one that hangs must not hold the caller. */
const releaseMs = 1_000;

/**
 * Runs `work` while nobody else holds `key`. Its signal aborts when the lock was lost: the store did not answer for a
 * ttl, or the process stood still that long.
 * Rejects with LOCKED when `wait` is over, and with what `work` throws.
 *
 * @example
 * await withLock("nightly-report", { ttl: "1m" }, async (signal) => fetch("https://example.com/report", { signal }));
 */
export async function withLock<T>(
  key: string,
  options: LockOptions,
  work: (signal: AbortSignal) => Promise<T> | T,
): Promise<T> {
  const { ttlMs, waitMs } = check(key, options, work);
  options.signal?.throwIfAborted();
  const store = await storeOf(options.broker);
  const lock = await acquire(store, { key, ttlMs, waitMs, signal: options.signal });
  try {
    return await work(lock.lost);
  } finally {
    await within(lock.release(), releaseMs);
  }
}

const checks: Checks = { ttl: duration, wait: duration, signal() {}, broker() {} };

function check(key: string, options: LockOptions, work: unknown): { ttlMs: number; waitMs: number } {
  if (typeof key !== "string" || key === "")
    throw new FunboostError("BAD_OPTION", `withLock() takes a key, got ${describe(key)}.`);
  if (typeof work !== "function")
    throw new FunboostError("BAD_OPTION", `withLock() takes a key, options and a function, got ${describe(work)}.`);
  if (!isRecord(options))
    throw new FunboostError(
      "BAD_OPTION",
      `withLock() takes options, such as { ttl: "30s" }, got ${describe(options)}.`,
    );
  checkMembers({ ...options }, checks);
  const { ttl = "30s", wait } = options as LockOptions;
  const ttlMs = durationMs(ttl, "ttl");
  if (ttlMs < leastTtlMs)
    throw new FunboostError("BAD_OPTION", `"ttl" is ${describe(ttl)}. Allowed: ${leastTtlMs} ms or more.`);
  return { ttlMs, waitMs: wait === undefined ? Number.POSITIVE_INFINITY : durationMs(wait, "wait") };
}

async function storeOf(choice: string | Broker | undefined): Promise<Store> {
  const own = configuration().store;
  if (choice === undefined && own) return guardedStore(own);
  const broker = choice ?? defaultBroker();
  const { store } = await openBroker(broker);
  return requireStore({ store, brokerName: nameOfBroker(broker) }, "withLock()");
}

interface Wanted {
  readonly key: string;
  readonly ttlMs: number;
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
}

async function acquire(store: Store, { key, ttlMs, waitMs, signal }: Wanted): Promise<Lease> {
  const ends = clock.monotonic() + waitMs;
  for (;;) {
    const lease = await unlessAborted(
      takeLease(store, { name: `lock:${key}`, ttlMs, what: `the lock "${key}"` }),
      signal,
    );
    if (lease) return lease;
    const leftMs = ends - clock.monotonic();
    if (leftMs <= 0)
      throw new FunboostError("LOCKED", `the lock "${key}" was held by another for all of ${waitMs} ms.`);
    await sleep(Math.min(leftMs, lookAgainMs * (0.5 + Math.random())), { signal });
    signal?.throwIfAborted();
  }
}

/** A store that hangs holds nobody who gives up; what it gives afterwards is given back. */
async function unlessAborted(
  taking: Promise<Lease | undefined>,
  signal: AbortSignal | undefined,
): Promise<Lease | undefined> {
  if (!signal) return taking;
  const over = new AbortController();
  const aborted = new Promise<"aborted">((resolve) =>
    signal.addEventListener("abort", () => resolve("aborted"), { once: true, signal: over.signal }),
  );
  const first = signal.aborted ? "aborted" : await Promise.race([taking, aborted]).finally(() => over.abort());
  if (first !== "aborted") return first;
  taking.then((lease) => lease?.release()).catch(() => {});
  throw signal.reason;
}
