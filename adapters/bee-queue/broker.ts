/** Bee-Queue 2: its own ids, delays and retries; jobs stay readable to Bee-Queue's own workers and tools. The consuming half is in parts/bee-queue/consumer.ts. */

import { clock } from "../../src/base/clock.ts";
import { describe, FunboostError } from "../../src/base/errors.ts";
import type { Broker, BrokerQueue, Consumer, Features, QueueSpec, Store } from "../../src/contract/index.ts";
import { redisStore } from "../redis/store.ts";
import { checkNames } from "../shared/check-names.ts";
import { missingPeer } from "../shared/missing-peer.ts";
import { type BeeClients, beeClients, type NodeRedisClass, nowhere } from "./client.ts";
import { consumeJobs } from "./consumer.ts";
import { type BeeQueue, bodyOf, type OpenQueue } from "./jobs.ts";
import { createPublisher, halfCharacter, jobOptions } from "./publish.ts";
import { scripts } from "./scripts.ts";
import type { GivenNodeRedis, NodeRedisOptions } from "./source.ts";

export interface BeeQueueOptions {
  /** @default "redis://127.0.0.1:6379" */
  readonly url?: string;
  /** A node_redis 3 client, whose settings are copied (yours is never used or closed), or its options. Bee-Queue works with no other client. */
  readonly connection?: GivenNodeRedis | NodeRedisOptions;
  /** Of Bee-Queue's keys. @default "bq" */
  readonly prefix?: string;
  /** Of the keys of the store on the same server. @default "funboost:" */
  readonly storePrefix?: string;
}

/** `brokerOptions` of a task on Bee-Queue: Bee-Queue's own options, passed through. */
export interface BeeQueueQueueOptions {
  readonly prefix?: string;
  readonly queue?: {
    /** Tells Bee-Queue's own listeners (`job.on("succeeded")`) in other processes how jobs end. @default false */
    readonly sendEvents?: boolean;
    /** False keeps each job that is done, for ever, as Bee-Queue does; a task id is then never free again. @default true */
    readonly removeOnSuccess?: boolean;
    /** False keeps all failed jobs, for ever. @default the last 5,000 or so are kept */
    readonly removeOnFailure?: boolean;
    /** How long a worker may be silent before its job is given to another. @default 0.7 of the lease */
    readonly stallInterval?: number;
  };
  /** For each job that is published: `retries`, `backoff`, `timeout`, for Bee-Queue's own workers. */
  readonly job?: Readonly<Record<string, unknown>>;
}

type BeeClass = new (name: string, settings: Readonly<Record<string, unknown>>) => BeeQueue;

const where = "bee-queue";
const keptFailed = 5_000;

const features: Features = {
  ids: true,
  delay: true,
  priority: false,
  retry: true,
  ahead: true,
  pause: false,
  durable: true,
  redelivers: true,
  ordered: true,
  exactCount: true,
  broadcast: false,
  results: false,
};

/**
 * Bee-Queue 2 on Redis 5 or later.
 *
 * @example
 * const send = boost({ queue: "mail", broker: beeQueue({ url: "redis://127.0.0.1:6379" }) }, async (to: string) => `sent to ${to}`);
 */
export function beeQueue(options: BeeQueueOptions = {}): Broker {
  checkNames(where, options, ["url", "connection", "prefix", "storePrefix"], "beeQueue()");
  const { prefix = "bq", storePrefix, ...source } = options;
  const clients = beeClients(source, loadClient);
  const queues = new Map<BrokerQueue, () => Promise<void>>();
  let store: Store | undefined;
  return {
    name: "bee-queue",
    features,
    async open(spec) {
      const { queue, abandon } = await openQueue(spec, prefix, clients, () => queues.delete(queue));
      queues.set(queue, abandon);
      return queue;
    },
    store: async () =>
      (store ??= redisStore({ ...clients.forStore, ...(storePrefix === undefined ? {} : { prefix: storePrefix }) })),
    address: () => clients.address,
    async close() {
      await Promise.all(Array.from(queues.values(), (abandon) => abandon()));
      await store?.close();
      await clients.close();
    },
  };
}

/** The class of Bee-Queue's own copy of node_redis. */
async function loadClient(): Promise<NodeRedisClass> {
  const Bee = await loadBee();
  const stream = nowhere();
  const bee = new Bee("funboost", { ...neverItself, ensureScripts: false, redis: { stream } });
  stream.emit("connect");
  await bee.ready();
  bee.client.end(true);
  return bee.client.constructor as NodeRedisClass;
}

/** What we do in its place, or nobody here needs. */
const neverItself = { isWorker: false, getEvents: false, activateDelayedJobs: false, storeJobs: false };

interface Opened {
  readonly queue: BrokerQueue;
  /** Closes it at once: what is held is delivered again later. */
  abandon(): Promise<void>;
}

async function openQueue(
  spec: QueueSpec,
  defaultPrefix: string,
  clients: BeeClients,
  onClose: () => void,
): Promise<Opened> {
  const options = checkSpec(spec);
  const prefix = options.prefix ?? defaultPrefix;
  const open = await connectQueue(spec, { ...options, prefix }, clients);
  const consumers = new Set<Consumer>();
  const close = async (force: boolean) => {
    onClose();
    await Promise.all([...consumers].map((each) => each.close({ force })));
    await open.bee.close();
  };
  const queue: BrokerQueue = {
    features,
    lookahead: 0,
    // Job ids count from 1 under each prefix: the store, which all prefixes of a server share, must not mix them up.
    ...(prefix === "bq" ? {} : { scope: `${prefix}:${spec.queue}` }),
    publish: createPublisher(open, options.job),
    async consume(handler, consumeOptions) {
      const consumer = await consumeJobs(open, handler, consumeOptions).catch((error: unknown) =>
        Promise.reject(clients.explain(error)),
      );
      consumers.add(consumer);
      return consumer;
    },
    ...administration(open),
    close: () => close(false),
  };
  return { queue, abandon: () => close(true) };
}

async function connectQueue(
  spec: QueueSpec,
  options: BeeQueueQueueOptions & { readonly prefix: string },
  clients: BeeClients,
): Promise<OpenQueue> {
  const { prefix, queue: own = {} } = options;
  const Bee = await loadBee();
  const redis = await clients.commands();
  const stallMs = own.stallInterval ?? Math.ceil(spec.leaseMs * 0.7);
  const make = () => makeBee(Bee, spec.queue, { ...own, ...neverItself, stallInterval: stallMs, prefix, redis });
  return {
    name: spec.queue,
    bee: await make().catch((error: unknown) => Promise.reject(clients.explain(error))),
    clients,
    base: `${prefix}:${spec.queue}:`,
    stallMs,
    endings: {
      removeOnSuccess: own.removeOnSuccess ?? true,
      removeOnFailure: own.removeOnFailure ?? false,
      keepFailed: own.removeOnFailure === undefined ? keptFailed : 0,
      sendEvents: own.sendEvents ?? false,
    },
    reload: async () => void (await (await make()).close()),
  };
}

async function makeBee(Bee: BeeClass, name: string, settings: Readonly<Record<string, unknown>>): Promise<BeeQueue> {
  const bee = new Bee(name, settings);
  bee.on("error", () => {}); // each call reports its own
  await bee.ready();
  return bee;
}

const clearedAtOnce = 1_000;

function administration({ bee, base, clients: { run, explain } }: OpenQueue) {
  const call = <T>(work: () => Promise<T>) => work().catch((error: unknown) => Promise.reject(explain(error)));
  return {
    count: () =>
      call(() => bee.checkHealth()).then(({ waiting, delayed, active }) => ({
        ready: waiting,
        delayed,
        running: active,
      })),
    clear: () =>
      call(async () => {
        while (((await run(scripts.clear, base, [clearedAtOnce])) as number) >= clearedAtOnce);
      }),
    peek: (n) =>
      call(async () =>
        n < 1
          ? []
          : ((await run(scripts.peek, base, [n])) as [string, string][]).map(([id, text]) => ({
              id,
              body: bodyOf(text),
            })),
      ),
    cancel: (ids) => call(async () => (ids.length > 0 ? ((await run(scripts.cancel, base, ids)) as string[]) : [])),
    state: (id) => call(() => run(scripts.state, base, [id]) as ReturnType<NonNullable<BrokerQueue["state"]>>),
    reschedule: (id, { delayMs }) =>
      call(async () => (await run(scripts.reschedule, base, [id, Math.ceil(clock.now() + delayMs)])) === 1),
  } satisfies Partial<BrokerQueue>;
}

function checkSpec({ queue, options }: QueueSpec): BeeQueueQueueOptions {
  if (!queue || halfCharacter.test(queue)) {
    const text = `Bee-Queue cannot take the queue name ${describe(queue)}. Allowed is any text that UTF-8 can write.`;
    throw new FunboostError("BAD_QUEUE", text, { where });
  }
  const of = `of "${queue}"`;
  checkNames(where, options, ["prefix", "queue", "job"], `brokerOptions ${of}`);
  const { queue: own = {}, job = {} } = options as BeeQueueQueueOptions;
  checkNames(where, own, [...switches, "stallInterval"], `brokerOptions.queue ${of}`);
  checkNames(where, job, jobOptions, `brokerOptions.job ${of}`);
  const refuse = (name: string, allowed: string, value: unknown) =>
    new FunboostError("BAD_OPTION", `brokerOptions.queue.${name} ${of} must be ${allowed}, got ${describe(value)}.`, {
      where,
    });
  for (const name of switches)
    if (own[name] !== undefined && typeof own[name] !== "boolean") throw refuse(name, "true or false", own[name]);
  const { stallInterval: stallMs = 100 } = own;
  if (!(typeof stallMs === "number" && stallMs >= 100 && stallMs < 2 ** 31))
    throw refuse("stallInterval", "milliseconds, 100 or more", stallMs);
  return options as BeeQueueQueueOptions;
}

const switches = ["sendEvents", "removeOnSuccess", "removeOnFailure"] as const;

async function loadBee(): Promise<BeeClass> {
  try {
    return (await import("bee-queue")).default as unknown as BeeClass;
  } catch (cause) {
    throw missingPeer("bee-queue", "bee-queue", cause);
  }
}
