/** The store on Redis: every change is one command or one script, sent together with what the same tick sends. */
import type { Cluster, Redis, RedisOptions } from "ioredis";
import type { Results, SetEntry, Store } from "../../src/contract/index.ts";
import { checkNames } from "../shared/check-names.ts";
import { createRedisClients } from "../shared/redis-clients.ts";
import { createRedisWaits } from "../shared/redis-waits.ts";
import type { Settle } from "../shared/wait-for.ts";
import { createIndex, createLists, createMaps } from "./store-collections.ts";
import { createServer, type Server, ttl } from "./store-server.ts";
import { createTimers } from "./store-timers.ts";

export interface RedisStoreOptions {
  /** @default "redis://127.0.0.1:6379" */
  readonly url?: string | undefined;
  /** An ioredis client, whose settings are copied (yours is never closed), or ioredis options. */
  readonly connection?: Redis | Cluster | RedisOptions;
  /** Of all keys and channels. On a cluster give it a hash tag: "{funboost}:". @default "funboost:" */
  readonly prefix?: string;
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
    format: 2,
    name: "redis",
    scope: "shared",
    durable: true,
    now: () => call(async () => timeMs(await (await client()).time())),
    ...keyValues(server),
    ...limits(server),
    timers: createTimers(server),
    list: createLists(server),
    map: createMaps(server),
    index: createIndex(server),
    expire: (keys) =>
      call(async () => {
        const redis = await client();
        await Promise.all(
          keys.flatMap((each) => collections(server, each.key).map((name) => redis.pexpire(name, ttl(each.ttlMs)))),
        );
      }),
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

/** Under one name of ours: a value, a list, a map. */
const collections = ({ key }: Server, name: string) => ["kv", "list", "map"].map((kind) => key(kind, name));

function keyValues(server: Server): Pick<Store, "get" | "set" | "delete" | "increment"> {
  const { client, run, call, key } = server;
  const kv = (name: string) => key("kv", name);
  return {
    get: (keys) => call(async () => (keys.length ? read(await client(), keys.map(kv)) : [])),
    set: (entries) => call(() => Promise.all(entries.map((entry) => write(server, kv(entry.key), entry)))),
    delete: (keys) =>
      call(
        async () =>
          void (
            keys.length &&
            (await remove(
              await client(),
              keys.flatMap((each) => collections(server, each)),
            ))
          ),
      ),
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
