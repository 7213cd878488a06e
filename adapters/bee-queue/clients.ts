/** The connections of a Bee-Queue broker: node_redis 3, the one client that Bee-Queue works with, from its own copy. */
import { createRedisClients } from "../shared/redis-clients.ts";
import type { RedisSource } from "../shared/redis-source.ts";
import {
  command,
  createNodeRedis,
  hangUp,
  isNoScript,
  type NodeRedis,
  type NodeRedisClass,
  plainError,
} from "./node-redis.ts";
import type { Script } from "./script.ts";
import { type BeeSource, ioredisSettings, settingsOf } from "./settings.ts";

export interface BeeClients {
  /** For messages: no secrets. */
  readonly address: string;
  /** The same server for ioredis. */
  readonly forStore: RedisSource;
  /** The connection that all queues share; made and checked at the first call. */
  commands(): Promise<NodeRedis>;
  /** One more, for a wait that blocks it. Whoever asks ends it with `hangUp`. */
  another(): Promise<NodeRedis>;
  /** Notices over one connection; resolves when it is in force. */
  hear(channel: string, listener: () => void): Promise<() => void>;
  run(script: Script, base: string, args: readonly (string | number)[]): Promise<unknown>;
  /** An error of node_redis in our words. */
  explain(error: unknown): Error;
  close(): Promise<void>;
}

const where = "bee-queue";
/** Opens nothing yet; refuses what is wrong in the options. */
export function createClients(source: BeeSource, load: () => Promise<NodeRedisClass>): BeeClients {
  const settings = settingsOf(source);
  const forStore: RedisSource =
    source.url !== undefined ? { url: source.url } : source.connection ? { connection: ioredisSettings(settings) } : {};
  const { address, explain: explainRedis } = createRedisClients(where, forStore); // never asked for a connection here
  const explain = (error: unknown) => explainRedis(plainError(error));
  const another = async () =>
    createNodeRedis(await load(), settings, address).catch((error: unknown) => Promise.reject(explain(error)));
  const commands = createShared(another);
  const subscriber = createShared(async () => createSubscriber(await another()));
  return {
    address,
    forStore,
    commands: commands.get,
    another,
    explain,
    hear: async (channel, listener) => (await subscriber.get()).hear(channel, listener),
    run: async (script, base, args) => evaluate(await commands.get(), script, base, args),
    async close() {
      await subscriber.close(({ client }) => hangUp(client));
      await commands.close(hangUp);
    },
  };
}

/** Made at the first call; one that failed is made anew at the next. */
function createShared<T>(open: () => Promise<T>) {
  let opened: Promise<T> | undefined;
  return {
    get(): Promise<T> {
      const known = (opened ??= open());
      known.catch(() => opened === known && (opened = undefined));
      return known;
    },
    async close(end: (it: T) => Promise<void>): Promise<void> {
      const [known] = await Promise.allSettled([opened]);
      opened = undefined;
      if (known?.status === "fulfilled" && known.value !== undefined) await end(known.value);
    },
  };
}

async function evaluate(
  client: NodeRedis,
  { lua, sha }: Script,
  base: string,
  args: readonly (string | number)[],
): Promise<unknown> {
  try {
    return await command(client, "evalsha", [sha, 1, base, ...args]);
  } catch (error) {
    if (!isNoScript(error)) throw error;
    return command(client, "eval", [lua, 1, base, ...args]);
  }
}

interface Subscriber {
  readonly client: NodeRedis;
  hear(channel: string, listener: () => void): Promise<() => void>;
}

function createSubscriber(client: NodeRedis): Subscriber {
  const listeners = new Map<string, Set<() => void>>();
  client.on("message", (channel: string) => listeners.get(channel)?.forEach((listener) => listener()));
  // Some notices were lost meanwhile.
  client.on("ready", () => listeners.forEach((each) => each.forEach((listener) => listener())));
  return {
    client,
    async hear(channel, given) {
      const listener = () => given();
      listeners.set(channel, (listeners.get(channel) ?? new Set()).add(listener));
      await command(client, "subscribe", [channel]);
      return () => {
        listeners.get(channel)?.delete(listener);
        if (listeners.get(channel)?.size !== 0) return;
        listeners.delete(channel);
        command(client, "unsubscribe", [channel]).catch(() => {}); // gone with the connection
      };
    },
  };
}
