/** ioredis for several adapters: loaded late, one connection per use, errors in our words, secrets masked, and no socket that keeps the process alive. */
import { AsyncResource } from "node:async_hooks";
import type { Writable } from "node:stream";
import type { Cluster, Redis, RedisOptions } from "ioredis";
import { clock, sleep } from "../../src/base/clock.ts";
import { describe, FunboostError, isFunboostError, maskSecrets } from "../../src/base/errors.ts";
import { missingPeer } from "./missing-peer.ts";

export interface RedisSource {
  /** `redis://user:password@host:port/db`, or `rediss://` for TLS. @default "redis://127.0.0.1:6379" */
  readonly url?: string;
  /** An ioredis client, whose settings are copied (it is never used or closed by us), or ioredis options. */
  readonly connection?: Redis | Cluster | RedisOptions;
}

/**
 * - commands:   fails at once when the server is gone, so that nothing is sent after its caller gave up.
 * - patient:    waits through an outage and sends again: for settling what is held.
 * - subscriber: for messages from the server.
 */
export type RedisUse = "commands" | "patient" | "subscriber";

export interface RedisClients {
  /** For messages: no secrets. */
  readonly address: string;
  /** The connection for this use; made and checked at the first call. */
  get(use: RedisUse): Promise<Redis>;
  /** An error of ioredis as one of ours; others stay as they are. */
  explain(error: unknown): Error;
  /** Closes what was opened here. */
  close(): Promise<void>;
}

const defaultUrl = "redis://127.0.0.1:6379";
const connectTimeoutMs = 4_000;
const oldest = 5;

// Sockets remember the async context in which they were made. Made here, they do not carry the context of whoever connected first.
const neutral = new AsyncResource("funboost.redis");
export const inNeutralContext = <T>(run: () => T): T => neutral.runInAsyncScope(run);

/** Opens nothing yet; refuses what is wrong in the options. */
export function redisClients(where: string, source: RedisSource, pipelined = false): RedisClients {
  const address = checkSource(where, source);
  const opened = new Map<RedisUse, Promise<Redis>>();
  let lastTrouble: string | undefined;
  const explain = (error: unknown) => explainRedis(error, where, address, lastTrouble);
  async function connect(use: RedisUse): Promise<Redis> {
    const client = await inNeutralContext(() => build(where, source, use, pipelined));
    client.on("error", (error: Error) => (lastTrouble = error.message));
    client.on("ready", () => (lastTrouble = undefined));
    try {
      await withDeadline(client.connect(), where, address);
      await refuseOld(client, where, address);
      return client;
    } catch (error) {
      const explained = explain(error);
      client.disconnect();
      throw explained;
    }
  }
  return {
    address,
    explain,
    get(use) {
      const known = opened.get(use) ?? connect(use);
      opened.set(use, known);
      known.catch(() => opened.get(use) === known && opened.delete(use)); // the next call tries again
      return known;
    },
    async close() {
      const clients = await Promise.allSettled(opened.values());
      opened.clear();
      await Promise.all(clients.map((each) => (each.status === "fulfilled" ? quit(each.value) : undefined)));
    },
  };
}

async function build(
  where: string,
  { url, connection }: RedisSource,
  use: RedisUse,
  pipelined: boolean,
): Promise<Redis> {
  const settings = {
    lazyConnect: true,
    replyMapping: "legacy", // the shapes that BullMQ and our scripts read
    connectTimeout: connectTimeoutMs,
    disconnectTimeout: 200,
    // 0: what is under way when the connection breaks fails at once; it is never sent a second time.
    maxRetriesPerRequest: use === "commands" ? 0 : null,
    enableAutoPipelining: pipelined && use === "commands",
    retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 6), 2_000) * (1 + Math.random() / 4),
  } as const satisfies RedisOptions;
  if (isClient(connection)) return quiet(copyOf(connection, settings));
  const Client = await loadRedis(where);
  return quiet(
    connection ? new Client({ ...(connection as RedisOptions), ...settings }) : new Client(url ?? defaultUrl, settings),
  );
}

async function loadRedis(where: string): Promise<typeof Redis> {
  try {
    return (await import("ioredis")).Redis;
  } catch (cause) {
    throw missingPeer(where, "ioredis", cause);
  }
}

function copyOf(client: Redis | Cluster, settings: RedisOptions & { readonly replyMapping: "legacy" }): Redis {
  if (!client.isCluster) return (client as Redis).duplicate(settings);
  const { lazyConnect: _, retryStrategy: __, ...forNodes } = settings; // a cluster has its own
  const cluster = client as Cluster;
  return cluster.duplicate(undefined, {
    lazyConnect: true,
    redisOptions: { ...cluster.options.redisOptions, ...forNodes },
  }) as unknown as Redis;
}

/** Neither its sockets nor its reconnect timer keep the process alive; nor those of its copies (BullMQ makes one per worker). */
function quiet(client: Redis): Redis {
  const inner = client as unknown as { stream?: { unref?(): void }; reconnectTimeout?: NodeJS.Timeout | null };
  const release = () => inner.stream?.unref?.();
  client.on("connecting", () => setImmediate(release));
  client.on("connect", () => {
    release();
    writeTogether(inner.stream as Writable);
  });
  client.on("reconnecting", () => inner.reconnectTimeout?.unref());
  client.on("+node", (node: Redis) => quiet(node));
  const duplicate = client.duplicate?.bind(client);
  if (duplicate) client.duplicate = (...args) => inNeutralContext(() => quiet(duplicate(...args)));
  return client;
}

/** A pipeline's worth. */
const enoughBytes = 4_096;

/**
 * What is written between two turns of the event loop goes out in one system call: ioredis makes one for each command, a tenth of BullMQ's time.
 * A whole pipeline goes out at once: the server works on it while the next is written.
 */
function writeTogether(stream: Writable): void {
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  let corked = false;
  const release = () => {
    corked = false;
    stream.uncork();
  };
  stream.write = (...args: unknown[]) => {
    const large = (args[0] as string | Uint8Array).length >= enoughBytes;
    if (!corked && !large) {
      corked = true;
      stream.cork();
      process.nextTick(() => corked && release());
    }
    const answer = write(...args);
    if (corked && large) release();
    return answer;
  };
}

async function withDeadline(connecting: Promise<void>, where: string, address: string): Promise<void> {
  let cancel = () => {};
  const late = new Promise<never>((_, reject) => {
    const error = new FunboostError(
      "BROKER_DOWN",
      `Redis at ${address} did not answer within ${connectTimeoutMs} ms. Is the address right?`,
      { where },
    );
    cancel = clock.after(connectTimeoutMs, () => reject(error), { unref: true });
  });
  connecting.catch(() => {}); // may fail after the deadline
  return Promise.race([connecting, late]).finally(() => cancel());
}

async function refuseOld(client: Redis, where: string, address: string): Promise<void> {
  const info = await client.info("server");
  const version = /^redis_version:(\S+)/m.exec(info)?.[1];
  if (!version || /dragonfly|valkey/i.test(info) || Number.parseInt(version, 10) >= oldest) return;
  throw new FunboostError(
    "BROKER_REFUSED",
    `Redis at ${address} is version ${version}. Use Redis ${oldest} or later (6.2 or later is advised).`,
    { where },
  );
}

async function quit(client: Redis): Promise<void> {
  client.on("error", () => {});
  if (client.status === "ready") await Promise.race([client.quit().catch(() => {}), sleep(500, { unref: true })]);
  client.disconnect();
}

function checkSource(where: string, { url, connection }: RedisSource): string {
  const refuse = (text: string) => new FunboostError("BAD_OPTION", text, { where });
  if (url !== undefined && connection !== undefined) throw refuse('takes "url" or "connection", not both.');
  if (url !== undefined && !(typeof url === "string" && /^rediss?:\/\/./.test(url))) {
    throw refuse(
      `url must begin with redis:// or rediss://, got ${typeof url === "string" ? JSON.stringify(maskSecrets(url)) : describe(url)}.`,
    );
  }
  if (connection === undefined) return shown(url ?? defaultUrl);
  if (typeof connection !== "object" || connection === null)
    throw refuse(`connection must be an ioredis client or its options, got ${describe(connection)}.`);
  const options = (isClient(connection) && !connection.isCluster ? connection.options : connection) as RedisOptions;
  if (options.keyPrefix) throw refuse('an ioredis "keyPrefix" does not work with scripts. Use the option "prefix".');
  if (isClient(connection) && connection.isCluster) return "the given cluster";
  return options.path ?? `${options.host ?? "127.0.0.1"}:${options.port ?? 6379}`;
}

/** A password may stand in the query too, or hold characters that no URL may have. */
function shown(url: string): string {
  if (!URL.canParse(url)) return url.replace(/\/\/.*@/s, "//***@");
  const { protocol, username, password, host, pathname } = new URL(url);
  return `${protocol}//${username || password ? "***@" : ""}${host}${pathname}`;
}

function isClient(value: unknown): value is Redis | Cluster {
  return (
    typeof (value as Redis | undefined)?.duplicate === "function" && typeof (value as Redis).disconnect === "function"
  );
}

const refusals =
  /WRONGPASS|NOAUTH|NOPERM|invalid (username|password)|ERR AUTH|ERR DB index|certificate|self.signed|ssl|wrong version number/i;
const outages =
  /ECONN|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EPIPE|EHOSTUNREACH|ENETUNREACH|ENOENT|connection is closed|max retries per request|isn't writeable|connection close|timed out|^(LOADING|READONLY|OOM|MISCONF|CLUSTERDOWN|MASTERDOWN|TRYAGAIN)/i;

function explainRedis(error: unknown, where: string, address: string, lastTrouble: string | undefined): Error {
  if (isFunboostError(error)) return error;
  const source = error as Error & { code?: unknown };
  const said = String(source?.message ?? error);
  const text =
    maskSecrets(/max retries|connection is closed/i.test(said) ? (lastTrouble ?? said) : said) || String(source.code);
  // A copy: the client's own errors carry the command with its arguments, a password or a body among them.
  const cause = Object.assign(
    new Error(text),
    { name: source?.name ?? "Error" },
    typeof source?.code === "string" ? { code: source.code } : {},
  );
  if (refusals.test(text))
    return new FunboostError(
      "BROKER_REFUSED",
      `Redis at ${address} refuses: ${text}. Check user, password and settings.`,
      { where, cause },
    );
  if (outages.test(`${text} ${String(source?.code ?? "")}`))
    return new FunboostError(
      "BROKER_DOWN",
      `Redis at ${address} cannot be used now: ${text}. Is it up, and is the address right?`,
      { where, cause },
    );
  return error instanceof Error ? error : cause;
}
