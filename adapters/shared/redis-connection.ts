/** One connection of ioredis: loaded late, it keeps no process alive, and makes few system calls. */
import type { Socket } from "node:net";
import type { Cluster, Redis, RedisOptions } from "ioredis";
import { setImmediate } from "../../src/base/clock.ts";
import { missingPeer } from "./missing-peer.ts";
import { inNeutralContext } from "./neutral-context.ts";
import { usePeer } from "./peer.ts";
import { defaultUrl, isClient, type RedisSource } from "./redis-source.ts";
import { giveUpWhenSilent, patience } from "./silence.ts";

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
    return usePeer(where, "ioredis", await import("ioredis"), "Redis").Redis;
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

interface Inner {
  readonly stream?: Socket;
  readonly reconnectTimeout?: NodeJS.Timeout | null;
  readonly commandQueue?: { peekFront(): { readonly command: { readonly name: string } } | undefined };
}

/**
 * Neither its sockets nor its reconnect timer keep the process alive, and a silent server is given up; so it is with
 * its copies, of which BullMQ and Agenda make some.
 */
function quiet(client: Redis): Redis {
  const inner = client as unknown as Inner;
  const release = () => inner.stream?.unref?.();
  client.on("connecting", () => setImmediate(release));
  client.on("connect", () => {
    release();
    if (!inner.stream) return; // a cluster, whose nodes have their own
    writeTogether(inner.stream);
    watch(client, inner, inner.stream);
  });
  client.on("reconnecting", () => inner.reconnectTimeout?.unref());
  client.on("+node", (node: Redis) => quiet(node));
  heedAnswers(client);
  quietCopies(client);
  return client;
}

/** BullMQ itself ends a wait for a job that lasts a second longer than it should. */
const waits = /^b(z|l|r)|^xread/i;

function watch(client: Redis, inner: Inner, stream: Socket): void {
  const isReady = () => client.status === "ready";
  const isWaiting = () => waits.test(inner.commandQueue?.peekFront()?.command.name ?? "");
  giveUpWhenSilent(stream, {
    ping: () => void (isReady() && !isWaiting() && client.ping().catch(() => {})), // behind a wait it says nothing
    patience: () => (!isReady() ? patience.connecting : isWaiting() ? Number.POSITIVE_INFINITY : patience.ready),
  });
}

/** After a break ioredis sends these again by itself, and looks at no answer: one that fails would end the process. */
const sentAgain = ["subscribe", "psubscribe", "ssubscribe", "select"] as const;

function heedAnswers(client: Redis): void {
  const calls = client as unknown as Record<string, ((...args: unknown[]) => Promise<unknown>) | undefined>;
  for (const name of sentAgain) {
    const call = calls[name]?.bind(client);
    if (!call) continue;
    calls[name] = (...args) => {
      const answer = call(...args);
      answer.catch(() => {});
      return answer;
    };
  }
}

/** A copy listens or waits, so it waits through an outage too; it ends with its original. */
function quietCopies(client: Redis): void {
  const copies = new Set<Redis>();
  const duplicate = client.duplicate.bind(client) as (...args: unknown[]) => Redis;
  client.duplicate = (...args: unknown[]) => {
    const patient = client.isCluster ? args : [{ maxRetriesPerRequest: null, ...(args[0] as object) }];
    const copy = inNeutralContext(() => quiet(duplicate(...patient)));
    copies.add(copy);
    copy.once("end", () => copies.delete(copy));
    return copy;
  };
  const disconnect = client.disconnect.bind(client);
  client.disconnect = (reconnect = false) => {
    if (!reconnect) for (const copy of copies) copy.disconnect(); // "end" does not come while it reconnects
    disconnect(reconnect);
  };
}

/** Some six commands of BullMQ. */
const enoughBytes = 4_096;

/**
 * What is written between two turns of the event loop goes out in few system calls: ioredis makes one for each command,
 * a tenth of BullMQ's time. Not in one: the server works on the first of it while the next is written. Given all at
 * once, server and worker wait for each other: two thirds of the rate.
 */
function writeTogether(stream: Socket): void {
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  let held = 0;
  let corked = false;
  const release = () => {
    held = 0;
    corked = false;
    stream.uncork();
  };
  stream.write = (...args: unknown[]) => {
    held += (args[0] as string | Uint8Array).length;
    if (!corked && held < enoughBytes) {
      corked = true;
      stream.cork();
      process.nextTick(() => corked && release());
    }
    const answer = write(...args);
    if (held >= enoughBytes) release();
    return answer;
  };
}
