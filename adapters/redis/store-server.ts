/** How the parts of the Redis store reach their server. */
import type { Redis } from "ioredis";
import type { RedisClients } from "../shared/redis-clients.ts";
import { createRedisNotices, type RedisNotices } from "../shared/redis-notices.ts";
import { collectionScripts } from "./collection-scripts.ts";
import { storeScripts } from "./store-scripts.ts";
import { timerScripts } from "./timer-scripts.ts";

const scripts = { ...storeScripts, ...timerScripts, ...collectionScripts };

type StoreScript = keyof typeof scripts;

export interface Server {
  client(): Promise<Redis>;
  run(name: StoreScript, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  /** Runs `work`; its errors come out in our words. */
  call<T>(work: () => Promise<T>): Promise<T>;
  key(kind: string, name: string): string;
  readonly notices: RedisNotices;
}

export function createServer(clients: RedisClients, prefix: string): Server {
  const prepared = new WeakSet<Redis>();
  async function client(): Promise<Redis> {
    const redis = await clients.get("commands");
    if (prepared.has(redis)) return redis;
    prepared.add(redis);
    for (const [name, { keys, lua }] of Object.entries(scripts)) {
      redis.defineCommand(`funboost:${name}`, { lua, ...(keys === undefined ? {} : { numberOfKeys: keys }) });
      // A server that does not know a script is sent its text after all else of the tick: out of order.
      if (!redis.isCluster) redis.script("LOAD", lua).catch(() => {});
    }
    return redis;
  }
  return {
    client,
    async run(name, keys, args) {
      const commands = (await client()) as unknown as Record<
        string,
        (...all: readonly (string | number)[]) => Promise<unknown>
      >;
      const count = scripts[name].keys === undefined ? [keys.length] : [];
      return commands[`funboost:${name}`]?.(...count, ...keys, ...args);
    },
    call: (work) => work().catch((error: unknown) => Promise.reject(clients.explain(error))),
    key: (kind, name) => `${prefix}${kind}:${name}`,
    notices: createRedisNotices(clients),
  };
}

export const ttl = (ms: number | undefined): string => (ms === undefined ? "" : String(Math.max(1, Math.ceil(ms))));
