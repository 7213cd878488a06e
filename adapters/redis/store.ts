/** The store on Redis: every change is one command or one script, sent together with what the same tick sends. */
import type { Cluster, Redis, RedisOptions } from "ioredis";
import type { Results, SetEntry, Store, Timers } from "../../src/contract/index.ts";
import { checkNames } from "../shared/check-names.ts";
import { createRedisClients, type RedisClients } from "../shared/redis-clients.ts";
import { createRedisNotices, type RedisNotices } from "../shared/redis-notices.ts";
import { createRedisWaits } from "../shared/redis-waits.ts";
import type { Settle } from "../shared/wait-for.ts";
import { type StoreScript, storeScripts } from "./store-scripts.ts";

export interface RedisStoreOptions {
  /** @default "redis://127.0.0.1:6379" */
  readonly url?: string | undefined;
  /** An ioredis client, whose settings are copied (yours is never closed), or ioredis options. */
  readonly connection?: Redis | Cluster | RedisOptions;
  /** Of all keys and channels. On a cluster give it a hash tag: "{funboost}:". @default "funboost:" */
  readonly prefix?: string;
}

interface Server {
  client(): Promise<Redis>;
  run(name: StoreScript, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  /** Runs `work`; its errors come out in our words. */
  call<T>(work: () => Promise<T>): Promise<T>;
  key(kind: string, name: string): string;
  readonly notices: RedisNotices;
}

/**
 * Shared state on Redis 5 or later.
 *
 * @example
 * configure({ store: redisStore({ url: "redis://127.0.0.1:6379" }) });
 */
export function redisStore(options: RedisStoreOptions = {}): Store {
  checkNames("redis", options, ["url", "connection", "prefix"], "redisStore()");
  const { prefix = "funboost:", ...source } = options;
  const clients = createRedisClients("redis", source, true);
  const server = createServer(clients, prefix);
  const { client, call, key, notices } = server;
  const results = createResults(server);
  return {
    name: "redis",
    scope: "shared",
    durable: true,
    now: () => call(async () => timeMs(await (await client()).time())),
    ...keyValues(server),
    ...limits(server),
    timers: createTimers(server),
    list: lists(server),
    notify: (channel, text) => call(async () => void (await (await client()).publish(key("notify", channel), text))),
    subscribe: (channel, listener, onSwitch) => call(() => notices.hear(key("notify", channel), listener, onSwitch)),
    results: results.api,
    async close() {
      await results.close();
      await clients.close();
    },
  };
}

function timeMs([seconds, micros]: readonly (number | string)[]): number {
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

function createServer(clients: RedisClients, prefix: string): Server {
  const prepared = new WeakSet<Redis>();
  async function client(): Promise<Redis> {
    const redis = await clients.get("commands");
    if (prepared.has(redis)) return redis;
    prepared.add(redis);
    for (const [name, { keys, lua }] of Object.entries(storeScripts))
      redis.defineCommand(`funboost:${name}`, { numberOfKeys: keys, lua });
    return redis;
  }
  return {
    client,
    async run(name, keys, args) {
      const commands = (await client()) as unknown as Record<
        string,
        (...all: readonly (string | number)[]) => Promise<unknown>
      >;
      return commands[`funboost:${name}`]?.(...keys, ...args);
    },
    call: (work) => work().catch((error: unknown) => Promise.reject(clients.explain(error))),
    key: (kind, name) => `${prefix}${kind}:${name}`,
    notices: createRedisNotices(clients),
  };
}

const ttl = (ms: number | undefined): string => (ms === undefined ? "" : String(Math.max(1, Math.ceil(ms))));

function keyValues(server: Server): Pick<Store, "get" | "set" | "delete" | "increment"> {
  const { client, run, call, key } = server;
  const kv = (name: string) => key("kv", name);
  return {
    get: (keys) => call(async () => (keys.length ? read(await client(), keys.map(kv)) : [])),
    set: (entries) => call(() => Promise.all(entries.map((entry) => write(server, kv(entry.key), entry)))),
    delete: (keys) => call(async () => void (keys.length && (await remove(await client(), keys.map(kv))))),
    increment: (counters) =>
      call(() =>
        Promise.all(
          counters.map(async (each) => Number(await run("increment", [kv(each.key)], [each.by, ttl(each.ttlMs)]))),
        ),
      ),
  };
}

async function read(client: Redis, keys: readonly string[]): Promise<(string | undefined)[]> {
  // On a cluster the keys may live on several nodes.
  const values = client.isCluster
    ? await Promise.all(keys.map((each) => client.get(each)))
    : await client.mget(...keys);
  return values.map((value) => value ?? undefined);
}

async function remove(client: Redis, keys: readonly string[]): Promise<unknown> {
  return client.isCluster ? Promise.all(keys.map((each) => client.del(each))) : client.del(...keys);
}

async function write(
  { client, run }: Server,
  key: string,
  { value, ttlMs, if: condition }: SetEntry,
): Promise<boolean> {
  if (typeof condition === "object") return (await run("setEqual", [key], [value, ttl(ttlMs), condition.equals])) === 1;
  const redis = await client();
  if (condition === "absent")
    return (
      (await (ttlMs === undefined ? redis.set(key, value, "NX") : redis.set(key, value, "PX", ttl(ttlMs), "NX"))) ===
      "OK"
    );
  await (ttlMs === undefined ? redis.set(key, value) : redis.set(key, value, "PX", ttl(ttlMs)));
  return true;
}

function limits({ run, call, key }: Server): Pick<Store, "reserve" | "lease" | "release"> {
  return {
    reserve: (name, { perMs, places, count, aheadMs = "", slackMs, lateMs = 0, unused = [] }) =>
      call(async () => {
        const args = [perMs, places, count, aheadMs, slackMs, lateMs, ...unused];
        const [nextMs, ...given] = ((await run("reserve", [key("rate", name), key("row", name)], args)) as []).map(
          Number,
        );
        const start = (i: number) => ({ waitMs: Math.max(0, given[2 * i] ?? 0), number: given[2 * i + 1] ?? 0 });
        return { starts: Array.from({ length: given.length / 2 }, (_, i) => start(i)), nextMs: nextMs ?? 0 };
      }),
    lease: (name, owner, ttlMs, term) =>
      call(async () => {
        const fence = await run("lease", [key("lease", name), key("fence", "")], [owner, ttl(ttlMs), term ?? ""]);
        return typeof fence === "number" ? { fence } : null;
      }),
    release: (name, owner) => call(async () => void (await run("release", [key("lease", name)], [owner]))),
  };
}

function lists({ client, run, call, key }: Server): Store["list"] {
  return {
    append: (name, items, ttlMs) =>
      call(async () => void (items.length && (await run("append", [key("list", name)], [ttl(ttlMs), ...items])))),
    read: (name, from, limit) =>
      call(async () => (limit < 1 ? [] : (await client()).lrange(key("list", name), from, from + limit - 1))),
  };
}

function createTimers({ client, run, call, key }: Server): Timers {
  const keysOf = (queue: string) =>
    [key("timers:due", queue), key("timers:leased", queue), key("timers:payload", queue)] as const;
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
        const entries = Array.from({ length: flat.length / 2 }, (_, i) => ({
          id: flat[2 * i] as string,
          payload: flat[2 * i + 1] as string,
        }));
        return next ? { entries, nextDueMs: Number(next) } : { entries };
      }),
    ack: (queue, ids) => call(async () => void (ids.length && (await run("timersAck", keysOf(queue).slice(1), ids)))),
    remove: (queue, ids) =>
      call(async () => (ids.length ? ((await run("timersRemove", keysOf(queue), ids)) as string[]) : [])),
    count: (queue) => call(async () => Number(await run("timersCount", keysOf(queue).slice(0, 2), []))),
    clear: (queue) => call(async () => void (await remove(await client(), keysOf(queue)))),
  };
}

function createResults({ client, run, call, key, notices }: Server) {
  // A queue's name may hold colons, and so may an id: without a mark, "a:b" + "c" would be "a" + "b:c".
  const keyOf = (queue: string, id: string) =>
    key("result", `${queue.replace(/[%:]/g, (character) => encodeURIComponent(character))}:${id}`);
  const readOne = async (name: string) => (await (await client()).lindex(name, 0)) ?? undefined;
  const waiting = createRedisWaits(readOne, notices);
  const api: Results = {
    put: (queue, results) =>
      call(
        async () =>
          void (await Promise.all(
            results.map(({ id, outcome, ttlMs, publishedAt = "" }) =>
              run("putResult", [keyOf(queue, id)], [outcome, ttl(ttlMs), publishedAt]),
            ),
          )),
      ),
    get: (queue, ids) => call(() => Promise.all(ids.map((id) => readOne(keyOf(queue, id))))),
    async delete(queue, ids) {
      const keys = ids.map((id) => keyOf(queue, id));
      if (keys.length > 0) await call(async () => remove(await client(), keys));
    },
    wait: Object.assign((queue: string, id: string, signal: AbortSignal) => waiting.wait(keyOf(queue, id), signal), {
      hear: (queue: string, id: string, heard: Settle) => waiting.hear(keyOf(queue, id), heard),
    }),
  };
  return { api, close: waiting.close };
}
