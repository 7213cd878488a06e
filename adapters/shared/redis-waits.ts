/** Waiting for results on Redis: each is heard of over a channel of its own, with a slow poll behind it. */
import { repeat } from "../../src/base/clock.ts";
import { FunboostError } from "../../src/base/errors.ts";
import type { RedisNotices } from "./redis-notices.ts";
import { type Settle, waitOnce } from "./wait-for.ts";

/** Behind the notices, which can be lost. */
const pollMs = 5_000;

interface Waiter {
  readonly key: string;
  readonly settle: Settle;
}

export interface RedisWaits {
  wait(key: string, signal: AbortSignal): Promise<string>;
  /** What is answered ends it: called at the latest when it is settled. */
  hear(key: string, settle: Settle): () => void;
  /** Ends what still waits with an error. */
  close(): Promise<void>;
}

/** One channel for each awaited result, so that nobody hears of others' results. */
export function createRedisWaits(
  readOne: (key: string) => Promise<string | undefined>,
  { hear, onBack }: RedisNotices,
): RedisWaits {
  const waiters = new Set<Waiter>();
  /** Once: it leaves when it is told. */
  const tell = (waiter: Waiter, outcome: string) => waiters.has(waiter) && waiter.settle(outcome);
  let stopPolling: (() => Promise<void>) | undefined;
  async function check(waiter: Waiter): Promise<void> {
    const outcome = waiters.has(waiter) ? await readOne(waiter.key) : undefined;
    if (outcome !== undefined) tell(waiter, outcome);
  }
  const checkAll = async () => void (await Promise.allSettled([...waiters].map(check)));
  onBack(() => void checkAll());
  function begin(waiter: Waiter): () => void {
    waiters.add(waiter);
    stopPolling ??= repeat(pollMs, checkAll, () => {});
    const onNotice = (outcome: string) => (outcome ? tell(waiter, outcome) : void check(waiter).catch(() => {}));
    // Without a connection the poll goes on: a wait ends with its outcome or its signal, not with an outage.
    const listening = hear(waiter.key, onNotice).catch(() => () => {});
    void listening.then(() => check(waiter)).catch(() => {});
    return () => {
      waiters.delete(waiter);
      void listening.then((stop) => stop());
      if (waiters.size > 0) return;
      void stopPolling?.();
      stopPolling = undefined;
    };
  }
  async function close(): Promise<void> {
    const polling = stopPolling;
    const error = new FunboostError("STORE", "the store was closed while a result was waited for.", { where: "redis" });
    for (const waiter of [...waiters]) waiter.settle(error);
    await polling?.();
  }
  return {
    wait: (key, signal) => waitOnce(signal, (settle) => begin({ key, settle })),
    hear: (key, settle) => begin({ key, settle }),
    close,
  };
}
