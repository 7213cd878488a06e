/** withLock(): one at a time, over all processes that share a store. */
import { type Checks, checkMembers, duration, isRecord } from "./checks.ts";
import { clock, repeat, sleep, within } from "./clock.ts";
import type { Broker } from "./contract/broker.ts";
import type { Store } from "./contract/store.ts";
import { type Duration, durationMs } from "./duration.ts";
import { describe, FunboostError } from "./errors.ts";
import { needsStore } from "./features.ts";
import { shared } from "./global.ts";
import { openBroker } from "./runtime.ts";

export interface LockOptions {
  /** After which a holder that died is free again; renewed while it lives. 200 ms or more. @default "30s" */
  readonly ttl?: Duration;
  /** How long to wait for it; 0: not at all. @default no limit */
  readonly wait?: Duration;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
  /** Whose store keeps it. @default that of `configure({ store })`, else that of the default broker */
  readonly broker?: string | Broker;
}

const leastTtlMs = 200;
const lookAgainMs = 100;
/** For the store to hear that it is free again: one that hangs must not hold the caller. */
const releaseMs = 1_000;
let taken = 0;

/**
 * Runs `work` while nobody else holds `key`. Its signal aborts when the lock was lost: the store did not answer for a ttl, or the process stood still that long.
 * Rejects with LOCKED when `wait` is over, and with what `work` throws.
 *
 * @example
 * await withLock("nightly-report", { ttl: "1m" }, async (signal) => fetch("https://example.com/report", { signal }));
 */
export async function withLock<T>(key: string, options: LockOptions, work: (signal: AbortSignal) => Promise<T> | T): Promise<T> {
  const { ttlMs, waitMs } = check(key, options, work);
  options.signal?.throwIfAborted();
  const store = await storeOf(options.broker);
  const name = `lock:${key}`;
  const owner = `${process.pid}-${Math.random().toString(36).slice(2)}-${++taken}`;
  const fence = await acquire(store, name, owner, ttlMs, waitMs, options.signal);
  const lost = new AbortController();
  const stopRenewing = keep(store, { name, owner, ttlMs, fence }, lost.signal, () =>
    lost.abort(new FunboostError("LOCKED", `the lock "${key}" was lost: it could not be renewed within its ttl.`)),
  );
  try {
    return await work(lost.signal);
  } finally {
    const released = stopRenewing().then(() => store.release(name, owner));
    await within(
      released.catch(() => {}), // it ends by itself
      releaseMs,
    );
  }
}

const checks: Checks = { ttl: duration, wait: duration, signal() {}, broker() {} };

function check(key: string, options: LockOptions, work: unknown): { ttlMs: number; waitMs: number } {
  if (typeof key !== "string" || key === "") throw new FunboostError("BAD_OPTION", `withLock() takes a key, got ${describe(key)}.`);
  if (typeof work !== "function") throw new FunboostError("BAD_OPTION", `withLock() takes a key, options and a function, got ${describe(work)}.`);
  if (!isRecord(options)) throw new FunboostError("BAD_OPTION", `withLock() takes options, such as { ttl: "30s" }, got ${describe(options)}.`);
  checkMembers({ ...options }, checks);
  const { ttl = "30s", wait } = options as LockOptions;
  const ttlMs = durationMs(ttl, "ttl");
  if (ttlMs < leastTtlMs) throw new FunboostError("BAD_OPTION", `"ttl" is ${describe(ttl)}. Allowed: ${leastTtlMs} ms or more.`);
  return { ttlMs, waitMs: wait === undefined ? Number.POSITIVE_INFINITY : durationMs(wait, "wait") };
}

async function storeOf(choice: string | Broker | undefined): Promise<Store> {
  const { config } = shared();
  if (choice === undefined && config.store) return config.store;
  const broker = choice ?? config.defaults?.broker ?? "sqlite";
  const { store } = await openBroker(broker);
  if (!store) throw needsStore(typeof broker === "string" ? broker : broker.name, "withLock()");
  return store;
}

async function acquire(store: Store, name: string, owner: string, ttlMs: number, waitMs: number, signal: AbortSignal | undefined): Promise<number> {
  const ends = clock.monotonic() + waitMs;
  for (;;) {
    const lease = await store.lease(name, owner, ttlMs);
    if (lease) return lease.fence;
    signal?.throwIfAborted();
    const leftMs = ends - clock.monotonic();
    if (leftMs <= 0) throw new FunboostError("LOCKED", `the lock "${name.slice(5)}" was held by another for all of ${waitMs} ms.`);
    await sleep(Math.min(leftMs, lookAgainMs * (0.5 + Math.random())), { signal });
  }
}

interface Held {
  readonly name: string;
  readonly owner: string;
  readonly ttlMs: number;
  /** Another number: it was somebody else's meanwhile, or nobody's. */
  readonly fence: number;
}

/** Renews every third of the ttl, until it is lost; says when the lock cannot be ours any more, also while the store hangs. */
function keep(store: Store, { name, owner, ttlMs, fence }: Held, lost: AbortSignal, onLost: () => void): () => Promise<void> {
  let disarm = clock.after(ttlMs, onLost, { unref: true });
  const stop = repeat(
    ttlMs / 4,
    async () => {
      if (lost.aborted) return;
      const asked = clock.monotonic();
      const lease = await store.lease(name, owner, ttlMs).catch(() => undefined);
      if (lease !== undefined) disarm();
      if (lease?.fence === fence) disarm = clock.after(asked + ttlMs - clock.monotonic(), onLost, { unref: true });
      else if (lease !== undefined) onLost();
    },
    () => {},
  );
  return async () => {
    await stop();
    disarm();
  };
}
