/** node_redis 3, the one client that Bee-Queue works with: of its own copy, fails at once when the server is gone, keeps no process alive. */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { clock, sleep, withJitter } from "../../src/base/clock.ts";
import { FunboostError } from "../../src/base/errors.ts";
import { inNeutralContext, type RedisSource, redisClients } from "../shared/redis-client.ts";
import type { Script } from "./scripts.ts";
import { type BeeSource, forIoredis, type NodeRedisOptions, plainError, settingsOf } from "./source.ts";

type Done = (error: Error | null, reply?: unknown) => void;

/** What is used of a node_redis client. */
export interface NodeRedis {
  readonly ready: boolean;
  readonly stream: Socket;
  readonly retry_timer: NodeJS.Timeout | null;
  readonly selected_db?: number | string;
  readonly server_info: { readonly redis_version?: string };
  send_command(command: string, args: readonly (string | number)[], done: Done): boolean;
  end(flush: boolean): void;
  // biome-ignore lint/suspicious/noExplicitAny: the bound of every listener
  on(event: string, listener: (...args: any[]) => void): unknown;
  setMaxListeners(n: number): unknown;
}

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

export type NodeRedisClass = new (options: NodeRedisOptions) => NodeRedis;

const where = "bee-queue";
const connectTimeoutMs = 4_000;
/** Bee-Queue itself is content with 2.8; a wait that can be ended from outside needs 5, and so does the store. */
const oldest = 5;

/** Opens nothing yet; refuses what is wrong in the options. */
export function beeClients(source: BeeSource, load: () => Promise<NodeRedisClass>): BeeClients {
  const settings = settingsOf(source);
  const forStore: RedisSource =
    source.url !== undefined ? { url: source.url } : source.connection ? { connection: forIoredis(settings) } : {};
  const { address, explain: explainRedis } = redisClients(where, forStore); // never asked for a connection here
  const explain = (error: unknown) => explainRedis(plainError(error));
  const another = async () =>
    connectTo(await load(), settings, address).catch((error: unknown) => Promise.reject(explain(error)));
  const commands = keptOpen(another);
  const subscriber = keptOpen(async () => subscribing(await another()));
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
function keptOpen<T>(open: () => Promise<T>) {
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

export function command(client: NodeRedis, name: string, args: readonly (string | number)[]): Promise<unknown> {
  return new Promise((resolve, reject) =>
    client.send_command(name, args, (error, reply) => (error ? reject(error) : resolve(reply))),
  );
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

/** The server has started anew, and nothing was done. */
export const isNoScript = (error: unknown): boolean => (error as { code?: unknown } | undefined)?.code === "NOSCRIPT";

export async function hangUp(client: NodeRedis): Promise<void> {
  if (client.ready) await Promise.race([command(client, "quit", []).catch(() => {}), sleep(500, { unref: true })]);
  client.end(true);
}

/** It fails while it is made, and comes back by itself once it was there. */
async function connectTo(Client: NodeRedisClass, settings: NodeRedisOptions, address: string): Promise<NodeRedis> {
  let made = false;
  const own = {
    ...settings,
    enable_offline_queue: false, // nothing is sent after its caller gave up
    connect_timeout: 2 ** 31 - 1, // of all tries together: it would give up for good
    retry_strategy({ attempt, error }: { attempt: number; error?: Error | null }) {
      if (!made) return error ?? new Error("connection is closed");
      setImmediate(() => client.retry_timer?.unref());
      return Math.round(withJitter(Math.min(50 * 2 ** Math.min(attempt, 6), 2_000)));
    },
  };
  const client = inNeutralContext(() => new Client(own));
  quiet(client);
  try {
    await withDeadline(readiness(client), address);
    made = true;
    refuseOld(client, address);
    // node_redis selects the database without waiting for the answer.
    if (client.selected_db !== undefined) await command(client, "select", [client.selected_db]);
    return client;
  } catch (error) {
    client.end(true);
    throw error;
  }
}

function readiness(client: NodeRedis): Promise<void> {
  return new Promise((resolve, reject) => {
    client.on("error", reject);
    client.on("ready", resolve);
  });
}

/**
 * A connection that leads nowhere and says that all is well. Bee-Queue loads node_redis from a place of its own, and shows no more of it than a client
 * that is ready: one that it made itself could neither be listened to before, nor be closed if it never becomes so.
 */
export function nowhere(): Duplex {
  const stream = new Duplex({
    read() {},
    write(_, __, written) {
      this.push("$0\r\n\r\n");
      written();
    },
  });
  const socket = { setNoDelay() {}, setKeepAlive() {}, setTimeout() {}, destroySoon: () => stream.destroy() };
  return Object.assign(stream, socket, { [Symbol.toStringTag]: "Stream" }); // node_redis copies what is a plain object
}

async function withDeadline<T>(work: Promise<T>, address: string): Promise<T> {
  let cancel = () => {};
  const late = new Promise<never>((_, reject) => {
    const error = new FunboostError(
      "BROKER_DOWN",
      `Redis at ${address} did not answer within ${connectTimeoutMs} ms. Is the address right?`,
      { where },
    );
    cancel = clock.after(connectTimeoutMs, () => reject(error)); // keeps the process alive: the answer may never come
  });
  work.catch(() => {}); // may fail after the deadline
  return Promise.race([work, late]).finally(() => cancel());
}

/** Neither its socket nor its reconnect timer keep the process alive; a connection that is not made in time is tried again. */
function quiet(client: NodeRedis): void {
  client.setMaxListeners(0); // each queue of Bee-Queue adds one
  client.on("error", () => {});
  client.on("warning", () => {});
  client.stream.unref();
  client.on("connect", () => client.stream.unref());
  client.on("reconnecting", () =>
    setImmediate(() => {
      const { stream } = client;
      stream.unref();
      clock.after(connectTimeoutMs, () => client.stream === stream && !client.ready && stream.destroy(), {
        unref: true,
      });
    }),
  );
}

function refuseOld({ server_info }: NodeRedis, address: string): void {
  const { redis_version: version = "unknown" } = server_info;
  if (Number.parseInt(version, 10) >= oldest) return;
  const text = `Redis at ${address} is version ${version}. Use Redis ${oldest} or later (6.2 or later is advised).`;
  throw new FunboostError("BROKER_REFUSED", text, { where });
}

interface Subscriber {
  readonly client: NodeRedis;
  hear(channel: string, listener: () => void): Promise<() => void>;
}

function subscribing(client: NodeRedis): Subscriber {
  const listeners = new Map<string, Set<() => void>>();
  client.on("message", (channel: string) => listeners.get(channel)?.forEach((listener) => listener()));
  client.on("ready", () => listeners.forEach((each) => each.forEach((listener) => listener()))); // some were lost meanwhile
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
