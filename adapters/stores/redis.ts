/** The store on Redis: every change is one command or one script, sent together with what the same tick sends. */
import type { Cluster, Redis, RedisOptions } from "ioredis";
import { repeat } from "../../src/clock.ts";
import type { Results, SetEntry, Store, Timers } from "../../src/contract/index.ts";
import { FunboostError } from "../../src/errors.ts";
import { type RedisClients, redisClients } from "../shared/redis-client.ts";
import { type ScriptName, scripts } from "./redis-scripts.ts";

export interface RedisStoreOptions {
  /** @default "redis://127.0.0.1:6379" */
  readonly url?: string;
  /** An ioredis client, whose settings are copied (yours is never closed), or ioredis options. */
  readonly connection?: Redis | Cluster | RedisOptions;
  /** Of all keys and channels. On a cluster give it a hash tag: "{funboost}:". @default "funboost:" */
  readonly prefix?: string;
}

const pollMs = 5_000;

interface Connection {
  /** The client that fails fast, once it is there. */
  client(): Promise<Redis>;
  run(name: ScriptName, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  hear(channel: string, listener: (text: string) => void): Promise<() => void>;
  /** Called each time the notices have come back after a break, during which some were lost. */
  onBack(listener: () => void): void;
}

/**
 * Shared state on Redis 5 or later.
 *
 * @example
 * configure({ store: redisStore({ url: "redis://127.0.0.1:6379" }) });
 */
export function redisStore(options: RedisStoreOptions = {}): Store {
  const { prefix = "funboost:", ...source } = options;
  const unknown = Object.keys(source).find((name) => name !== "url" && name !== "connection");
  if (unknown) throw new FunboostError("BAD_OPTION", `redisStore() has no "${unknown}". Allowed: url, connection, prefix.`, { where: "redis" });
  const clients = redisClients("redis", source, true);
  const connection = connect(clients);
  const { client, run } = connection;
  const key = (kind: string, name: string) => `${prefix}${kind}:${name}`;
  const call = <T>(work: () => Promise<T>): Promise<T> => work().catch((error: unknown) => Promise.reject(clients.explain(error)));
  const results = makeResults(connection, (queue, id) => key("result", `${queue}:${id}`), call);
  return {
    name: "redis",
    scope: "shared",
    durable: true,
    get: (keys) =>
      call(async () =>
        keys.length
          ? read(
              await client(),
              keys.map((each) => key("kv", each)),
            )
          : [],
      ),
    set: (entries) => call(() => Promise.all(entries.map((entry) => write(connection, key("kv", entry.key), entry)))),
    delete: (keys) =>
      call(
        async () =>
          void (
            keys.length &&
            (await remove(
              await client(),
              keys.map((each) => key("kv", each)),
            ))
          ),
      ),
    increment: (counters) =>
      call(() => Promise.all(counters.map(async (each) => Number(await run("increment", [key("kv", each.key)], [each.by, ttl(each.ttlMs)]))))),
    reserve: (name, { perMs, count, slackMs }) =>
      call(async () => {
        if (count < 1) return [];
        const first = Number(await run("reserve", [key("rate", name)], [perMs, count, slackMs]));
        return Array.from({ length: count }, (_, i) => Math.max(0, first + i * perMs));
      }),
    lease: (name, owner, ttlMs) =>
      call(async () => {
        const fence = await run("lease", [key("lease", name), `${prefix}fence`], [owner, ttl(ttlMs)]);
        return typeof fence === "number" ? { fence } : null;
      }),
    release: (name, owner) => call(async () => void (await run("release", [key("lease", name)], [owner]))),
    timers: makeTimers(connection, (queue) => ["due", "leased", "payload"].map((part) => key(`timers:${part}`, queue)), call),
    list: {
      append: (name, items, ttlMs) => call(async () => void (items.length && (await run("append", [key("list", name)], [ttl(ttlMs), ...items])))),
      read: (name, from, limit) => call(async () => (limit < 1 ? [] : (await client()).lrange(key("list", name), from, from + limit - 1))),
    },
    notify: (channel, text) => call(async () => void (await (await client()).publish(key("notify", channel), text))),
    subscribe: (channel, listener) => call(() => connection.hear(key("notify", channel), listener)),
    results: results.api,
    async close() {
      await results.stop();
      await clients.close();
    },
  };
}

const ttl = (ms: number | undefined): string => (ms === undefined ? "" : String(Math.max(1, Math.ceil(ms))));

async function read(client: Redis, keys: readonly string[]): Promise<(string | undefined)[]> {
  // On a cluster the keys may live on several nodes.
  const values = client.isCluster ? await Promise.all(keys.map((each) => client.get(each))) : await client.mget(...keys);
  return values.map((value) => value ?? undefined);
}

async function remove(client: Redis, keys: readonly string[]): Promise<unknown> {
  return client.isCluster ? Promise.all(keys.map((each) => client.del(each))) : client.del(...keys);
}

async function write({ client, run }: Connection, key: string, { value, ttlMs, if: condition }: SetEntry): Promise<boolean> {
  if (typeof condition === "object") return (await run("setEqual", [key], [value, ttl(ttlMs), condition.equals])) === 1;
  const redis = await client();
  if (condition === "absent") return (await (ttlMs === undefined ? redis.set(key, value, "NX") : redis.set(key, value, "PX", ttl(ttlMs), "NX"))) === "OK";
  await (ttlMs === undefined ? redis.set(key, value) : redis.set(key, value, "PX", ttl(ttlMs)));
  return true;
}

/** Two connections: one that fails fast, one for notices. Both are made at the first need. */
function connect(clients: RedisClients): Connection {
  const listeners = new Map<string, Set<(text: string) => void>>();
  const backAgain = new Set<() => void>();
  const prepared = new WeakSet<Redis>();

  async function client(): Promise<Redis> {
    const redis = await clients.get("commands");
    if (prepared.has(redis)) return redis;
    prepared.add(redis);
    for (const [name, { keys, lua }] of Object.entries(scripts)) redis.defineCommand(`funboost:${name}`, { numberOfKeys: keys, lua });
    return redis;
  }
  async function subscriber(): Promise<Redis> {
    const redis = await clients.get("subscriber");
    if (prepared.has(redis)) return redis;
    prepared.add(redis);
    redis.on("message", (channel: string, text: string) => {
      for (const listener of listeners.get(channel) ?? []) listener(text);
    });
    redis.on("ready", () => setImmediate(() => backAgain.forEach((listener) => listener()))); // ioredis subscribes again by itself
    return redis;
  }
  async function unhear(channel: string, listener: (text: string) => void): Promise<void> {
    const others = listeners.get(channel);
    others?.delete(listener);
    if (others?.size !== 0) return;
    listeners.delete(channel);
    const redis = await subscriber();
    if (!listeners.has(channel)) await redis.unsubscribe(channel); // someone else may listen again by now
  }
  return {
    client,
    async run(name, keys, args) {
      const commands = (await client()) as unknown as Record<string, (...all: readonly (string | number)[]) => Promise<unknown>>;
      return commands[`funboost:${name}`]?.(...keys, ...args);
    },
    async hear(channel, listener) {
      const known = listeners.get(channel) ?? new Set();
      listeners.set(channel, known.add(listener));
      try {
        await (await subscriber()).subscribe(channel);
      } catch (error) {
        await unhear(channel, listener).catch(() => {});
        throw error;
      }
      return () => void unhear(channel, listener).catch(() => {});
    },
    onBack: (listener) => void backAgain.add(listener),
  };
}

type Call = <T>(work: () => Promise<T>) => Promise<T>;

function makeTimers({ client, run }: Connection, keysOf: (queue: string) => string[], call: Call): Timers {
  const take = async (queue: string, part: 0 | 1, ids: readonly string[]) => {
    const keys = keysOf(queue);
    return ids.length ? ((await run("timersTake", [keys[part] as string, keys[2] as string], ids)) as string[]) : [];
  };
  return {
    add: (queue, entries) =>
      call(
        async () =>
          void (
            entries.length &&
            (await run(
              "timersAdd",
              keysOf(queue),
              entries.flatMap((each) => [each.id, each.dueInMs, each.payload]),
            ))
          ),
      ),
    lease: (queue, limit, ttlMs) =>
      call(async () => {
        const [next, ...flat] = (await run("timersLease", keysOf(queue), [limit, ttlMs])) as string[];
        const entries = Array.from({ length: flat.length / 2 }, (_, i) => ({ id: flat[2 * i] as string, payload: flat[2 * i + 1] as string }));
        return next ? { entries, nextDueMs: Number(next) } : { entries };
      }),
    ack: (queue, ids) => call(async () => void (await take(queue, 1, ids))),
    remove: (queue, ids) => call(() => take(queue, 0, ids)),
    count: (queue) =>
      call(async () => {
        const [due, leased] = keysOf(queue) as [string, string];
        const redis = await client();
        const counts = await Promise.all([redis.zcard(due), redis.zcard(leased)]);
        return counts[0] + counts[1];
      }),
    clear: (queue) => call(async () => void (await remove(await client(), keysOf(queue)))),
  };
}

interface Waiter {
  readonly key: string;
  readonly take: (outcome: string) => void;
}

/** One channel for each awaited result, so that nobody hears of others' results; and a slow poll, because notices can be lost. */
function makeResults({ client, run, hear, onBack }: Connection, keyOf: (queue: string, id: string) => string, call: Call) {
  const waiters = new Set<Waiter>();
  let stopPolling: (() => Promise<void>) | undefined;
  const readOne = async (key: string) => (await (await client()).lindex(key, 0)) ?? undefined;
  async function check(waiter: Waiter): Promise<void> {
    const outcome = await readOne(waiter.key);
    if (outcome !== undefined) waiter.take(outcome);
  }
  const checkAll = async () => void (await Promise.allSettled([...waiters].map(check)));
  onBack(() => void checkAll());

  function add(waiter: Waiter): void {
    waiters.add(waiter);
    stopPolling ??= repeat(pollMs, checkAll, () => {});
  }
  function drop(waiter: Waiter): void {
    waiters.delete(waiter);
    if (waiters.size > 0) return;
    void stopPolling?.();
    stopPolling = undefined;
  }
  function wait(key: string, signal: AbortSignal): Promise<string> {
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        drop(waiter);
        signal.removeEventListener("abort", abort);
        void heard.then((unhear) => unhear());
        settle();
      };
      const abort = () => end(() => reject(signal.reason));
      const waiter: Waiter = { key, take: (outcome) => waiters.has(waiter) && end(() => resolve(outcome)) };
      const listen = (outcome: string) => (outcome ? waiter.take(outcome) : void check(waiter).catch(() => {}));
      // Without a connection the poll goes on: a wait ends with its outcome or its signal, not with an outage.
      const heard = hear(key, listen).catch(() => () => {});
      signal.addEventListener("abort", abort);
      add(waiter);
      void heard.then(() => (waiters.has(waiter) ? check(waiter) : undefined)).catch(() => {});
    });
  }
  const api: Results = {
    put: (queue, results) =>
      call(async () => void (await Promise.all(results.map(({ id, outcome, ttlMs }) => run("putResult", [keyOf(queue, id)], [outcome, ttl(ttlMs)]))))),
    get: (queue, ids) => call(() => Promise.all(ids.map((id) => readOne(keyOf(queue, id))))),
    wait: (queue, id, signal) => wait(keyOf(queue, id), signal),
  };
  return { api, stop: async () => void (await stopPolling?.()) };
}
