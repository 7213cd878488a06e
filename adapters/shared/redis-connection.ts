/** One connection of ioredis: loaded late, it keeps no process alive, and makes few system calls. */

import type { Writable } from "node:stream";
import type { Cluster, Redis, RedisOptions } from "ioredis";
import { setImmediate } from "../../src/base/clock.ts";
import { missingPeer } from "./missing-peer.ts";
import { inNeutralContext } from "./neutral-context.ts";
import { defaultUrl, isClient, type RedisSource } from "./redis-source.ts";

export const connectTimeoutMs = 4_000;

/**
 * - commands:   fails at once when the server is gone, so that nothing is sent after its caller gave up.
 * - patient:    waits through an outage and sends again: for settling what is held.
 * - subscriber: for messages from the server.
 */
export type RedisUse = "commands" | "patient" | "subscriber";

/** It connects when it is told to. */
export async function createConnection(
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

/**
 * Neither its sockets nor its reconnect timer keep the process alive; nor those of its copies, of which BullMQ makes
 * some.
 */
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
 * What is written between two turns of the event loop goes out in one system call: ioredis makes one for each command,
 * a tenth of BullMQ's time. A whole pipeline goes out at once: the server works on it while the next is written.
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
