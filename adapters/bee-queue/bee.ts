/** Bee-Queue itself, loaded late: what is used of it, and the client that it has of its own. */
import { Duplex } from "node:stream";
import { missingPeer } from "../shared/missing-peer.ts";
import { usePeer } from "../shared/peer.ts";
import type { NodeRedis, NodeRedisClass } from "./node-redis.ts";

/** `attempt`, `ahead` and the mark are ours, beside Bee-Queue's own. */
export interface JobOptions {
  /** It is ours. */
  funboost?: 1;
  backoff?: { readonly strategy?: string; delay?: number };
  timeout?: number;
  timestamp: number;
  stacktraces: unknown[];
  retries?: number;
  attempt?: number;
  ahead?: boolean;
  delay?: number;
  readonly [name: string]: unknown;
}

/** What is used of a job of Bee-Queue. */
export interface BeeJob {
  id: string | null;
  data: unknown;
  options: JobOptions;
  status: string;
  progress: unknown;
  setId(id: string): unknown;
  delayUntil(time: number): unknown;
  toData(): string;
  reportProgress(progress: unknown): Promise<unknown>;
}

/** What is used of a queue of Bee-Queue. */
export interface BeeQueue {
  readonly client: NodeRedis;
  on(event: "error", listener: (error: Error) => void): unknown;
  ready(): Promise<unknown>;
  createJob(data: unknown): BeeJob;
  checkHealth(): Promise<{ readonly waiting: number; readonly active: number; readonly delayed: number }>;
  close(): Promise<unknown>;
}

type BeeClass = new (name: string, settings: Readonly<Record<string, unknown>>) => BeeQueue;

async function loadBee(): Promise<BeeClass> {
  try {
    return usePeer("bee-queue", "bee-queue", await import("bee-queue"), "default").default as unknown as BeeClass;
  } catch (cause) {
    throw missingPeer("bee-queue", "bee-queue", cause, ["ioredis"]);
  }
}

/** What we do in its place, or nobody here needs. */
const unused = { isWorker: false, getEvents: false, activateDelayedJobs: false, storeJobs: false };

export async function createBee(name: string, settings: Readonly<Record<string, unknown>>): Promise<BeeQueue> {
  const Bee = await loadBee();
  const bee = new Bee(name, { ...settings, ...unused });
  bee.on("error", () => {}); // each call reports its own
  await bee.ready();
  return bee;
}

/** The class of Bee-Queue's own copy of node_redis. */
export async function loadClient(): Promise<NodeRedisClass> {
  const Bee = await loadBee();
  const stream = nowhere();
  const bee = new Bee("funboost", { ...unused, ensureScripts: false, redis: { stream } });
  stream.emit("connect");
  await bee.ready();
  bee.client.end(true);
  return bee.client.constructor as NodeRedisClass;
}

/**
 * A connection that leads nowhere and says that all is well. Bee-Queue loads node_redis from a place of its own, and
 * shows no more of it than a client that is ready: one that it made itself could neither be listened to before, nor be
 * closed if it never becomes so.
 */
function nowhere(): Duplex {
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
