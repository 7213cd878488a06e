/** What Redis tells those who wait: notices over one connection, and the results that are awaited. */
import type { Redis } from "ioredis";
import { repeat } from "../../src/base/clock.ts";
import { FunboostError } from "../../src/base/errors.ts";
import type { RedisClients } from "./redis-client.ts";
import { type Settle, waitOnce } from "./wait-for.ts";

/** Behind the notices, which can be lost. */
const pollMs = 5_000;

type Listener = (text: string) => void;

/** The connection is lost, and with it the notices; or both are back. */
type OnSwitch = (to: "poll" | "notices") => void;

export interface RedisNotices {
  /** Resolves when it is in force. */
  hear(channel: string, listener: (text: string) => void, onSwitch?: OnSwitch): Promise<() => void>;
  /** Called each time notices have come back after a break, during which some were lost. */
  onBack(listener: () => void): void;
}

/** Notices over one connection, made at the first need, however many channels and listeners there are. */
export function redisNotices(clients: RedisClients): RedisNotices {
  const listeners = new Map<string, Set<Listener>>();
  const backAgain = new Set<() => void>();
  const switches = createSwitches();
  const prepared = new WeakSet<Redis>();
  async function subscriber(): Promise<Redis> {
    const redis = await clients.get("subscriber");
    if (prepared.has(redis)) return redis;
    prepared.add(redis);
    redis.on("message", (channel: string, text: string) =>
      listeners.get(channel)?.forEach((listener) => listener(text)),
    );
    const back = () => {
      for (const listener of backAgain) listener();
      switches.tell("notices");
    };
    redis.on("close", () => switches.tell("poll"));
    redis.on("ready", () => setImmediate(back)); // ioredis subscribes again by itself
    return redis;
  }
  async function hear(channel: string, given: (text: string) => void, onSwitch?: OnSwitch): Promise<() => void> {
    // Its own even when one function subscribes twice; and one that throws must not keep the others from hearing.
    const listener = (text: string) => queueMicrotask(() => given(text));
    listeners.set(channel, (listeners.get(channel) ?? new Set()).add(listener));
    let redis: Redis | undefined;
    const forget = switches.add(onSwitch);
    const stop = () => {
      forget();
      void unhear(listeners, channel, listener, redis).catch(() => {});
    };
    try {
      redis = await subscriber();
      await redis.subscribe(channel);
    } catch (error) {
      stop();
      throw error;
    }
    return stop;
  }
  return { hear, onBack: (listener) => void backAgain.add(listener) };
}

/** Never connects: it may be called while or after all is closed. */
async function unhear(
  listeners: Map<string, Set<Listener>>,
  channel: string,
  listener: Listener,
  redis: Redis | undefined,
): Promise<void> {
  listeners.get(channel)?.delete(listener);
  if (listeners.get(channel)?.size !== 0) return;
  listeners.delete(channel);
  await redis?.unsubscribe(channel);
}

/** Each change once, to all that are there. */
function createSwitches() {
  const listeners = new Set<OnSwitch>();
  let now: Parameters<OnSwitch>[0] = "notices";
  return {
    add(onSwitch: OnSwitch = () => {}) {
      const own: OnSwitch = (to) => onSwitch(to); // one function may listen twice
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    tell(to: typeof now) {
      if (to === now) return;
      now = to;
      for (const listener of [...listeners]) queueMicrotask(() => listeners.has(listener) && listener(to));
    },
  };
}

interface Waiter {
  readonly key: string;
  readonly settle: Settle;
}

export interface RedisWaits {
  wait(key: string, signal: AbortSignal): Promise<string>;
  /** Ends what still waits with an error. */
  close(): Promise<void>;
}

/** One channel for each awaited result, so that nobody hears of others' results; and a slow poll. */
export function redisWaits(
  readOne: (key: string) => Promise<string | undefined>,
  { hear, onBack }: RedisNotices,
): RedisWaits {
  const waiters = new Set<Waiter>();
  const stops = new WeakMap<Waiter, () => void>();
  let stopPolling: (() => Promise<void>) | undefined;
  async function check(waiter: Waiter): Promise<void> {
    const outcome = waiters.has(waiter) ? await readOne(waiter.key) : undefined;
    if (outcome !== undefined) waiter.settle(outcome);
  }
  const checkAll = async () => void (await Promise.allSettled([...waiters].map(check)));
  onBack(() => void checkAll());
  function keep(waiter: Waiter): () => void {
    waiters.add(waiter);
    stopPolling ??= repeat(pollMs, checkAll, () => {});
    // Without a connection the poll goes on: a wait ends with its outcome or its signal, not with an outage.
    const heard = hear(waiter.key, (outcome) =>
      outcome ? waiter.settle(outcome) : void check(waiter).catch(() => {}),
    ).catch(() => () => {});
    stops.set(waiter, () => void heard.then((stop) => stop()));
    void heard.then(() => check(waiter)).catch(() => {});
    return () => drop(waiter);
  }
  function drop(waiter: Waiter): void {
    waiters.delete(waiter);
    stops.get(waiter)?.();
    if (waiters.size > 0) return;
    void stopPolling?.();
    stopPolling = undefined;
  }
  return {
    wait: (key, signal) => waitOnce(signal, (settle) => keep({ key, settle })),
    async close() {
      const polling = stopPolling;
      const error = new FunboostError("STORE", "the store was closed while a result was waited for.", {
        where: "redis",
      });
      for (const waiter of [...waiters]) waiter.settle(error);
      await polling?.();
    },
  };
}
