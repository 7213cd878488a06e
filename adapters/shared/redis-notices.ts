/** Notices of Redis: what other processes tell, over one connection. */

import type { Redis } from "ioredis";
import { queueMicrotask, setImmediate } from "../../src/base/clock.ts";
import type { RedisClients } from "./redis-clients.ts";

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
export function createRedisNotices(clients: RedisClients): RedisNotices {
  const listeners = new Map<string, Set<Listener>>();
  const backAgain = new Set<() => void>();
  const switches = createSwitches();
  const subscriber = createSubscriber(clients, {
    onMessage: (channel, text) => listeners.get(channel)?.forEach((listener) => listener(text)),
    onLost: () => switches.tell("poll"),
    onBack() {
      for (const listener of backAgain) listener();
      switches.tell("notices");
    },
  });
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

interface SubscriberEvents {
  onMessage(channel: string, text: string): void;
  onLost(): void;
  onBack(): void;
}

/** The connection that listens, told once whom to tell. */
function createSubscriber(clients: RedisClients, { onMessage, onLost, onBack }: SubscriberEvents) {
  const prepared = new WeakSet<Redis>();
  return async (): Promise<Redis> => {
    const redis = await clients.get("subscriber");
    if (prepared.has(redis)) return redis;
    prepared.add(redis);
    redis.on("message", onMessage);
    redis.on("close", onLost);
    redis.on("ready", () => setImmediate(onBack)); // ioredis subscribes again by itself
    return redis;
  };
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
