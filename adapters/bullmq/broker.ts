/** BullMQ 5 and 6: its own ids, delay, priority, retry, lifo and pause; jobs stay readable in BullMQ's tools. */
import type { Job, Queue, QueueOptions } from "bullmq";
import type { Redis } from "ioredis";
import type {
  Broker,
  BrokerQueue,
  Children,
  Consumer,
  Counts,
  Delivery,
  Facts,
  Features,
  InspectSpec,
  MessageState,
  QueueSpec,
  Store,
} from "../../src/contract/index.ts";
import { redisStore } from "../redis/store.ts";
import { checkNames } from "../shared/check-names.ts";
import { inNeutralContext } from "../shared/neutral-context.ts";
import { createRedisClients, type RedisClients } from "../shared/redis-clients.ts";
import { peek } from "./broken-jobs.ts";
import { type Bullmq, loadBullmq } from "./bullmq.ts";
import { cancelJobs } from "./cancel-jobs.ts";
import { consumeJobs } from "./consume.ts";
import { rescheduleJob, updateJob } from "./edit-jobs.ts";
import { inspectQueue } from "./inspect.ts";
import { anyJobId } from "./job-ids.ts";
import { setPaused } from "./major.ts";
import { type BullmqOptions, type BullmqQueueOptions, checkSpec } from "./options.ts";
import { createPublisher } from "./publish.ts";
import { refuseRepeats, repairAll } from "./repeats.ts";
import { createTools, endedElsewhere } from "./tools.ts";

export type { BullmqOptions, BullmqQueueOptions };

declare module "../../src/contract/brokers.ts" {
  interface Brokers {
    bullmq: { options: BullmqOptions; brokerOptions: BullmqQueueOptions };
  }
}

const features: Features = {
  ids: true,
  delay: true,
  priority: true,
  retry: true,
  ahead: true,
  pause: true,
  durable: true,
  redelivers: true,
  ordered: true,
  exactCount: true,
  broadcast: false,
  results: false,
};

/**
 * BullMQ on Redis 5 or later.
 *
 * @example
 * const broker = bullmq({ url: "redis://127.0.0.1:6379" });
 * const send = boost({ queue: "mail", broker }, async (to: string) => `sent to ${to}`);
 */
export function bullmq(options: BullmqOptions = {}): Broker<BullmqQueueOptions> {
  checkNames("bullmq", options, ["url", "connection", "prefix", "storePrefix"], "bullmq()");
  const { prefix = "bull", storePrefix, ...source } = options;
  const clients = createRedisClients("bullmq", source);
  const queues = new Set<BrokerQueue>();
  let store: Store | undefined;
  return {
    name: "bullmq",
    features,
    async open(spec) {
      const queue = await openQueue(spec, prefix, clients, () => queues.delete(queue));
      queues.add(queue);
      return queue;
    },
    ...inspecting(clients, prefix),
    store: async () =>
      (store ??= redisStore({ ...source, ...(storePrefix === undefined ? {} : { prefix: storePrefix }) })),
    address: () => clients.address,
    async close() {
      await Promise.all([...queues].map((each) => each.close()));
      await store?.close();
      await clients.close();
    },
  };
}

function inspecting(clients: RedisClients, defaultPrefix: string) {
  const withClient = async <T>(run: (client: Redis) => Promise<T>) => {
    const client = await clients.get("commands");
    return call(() => run(client), clients);
  };
  const prefixOf = (spec: InspectSpec) => checkSpec(spec).prefix ?? defaultPrefix;
  return {
    // Without a Queue of BullMQ's, which writes its version at once.
    inspect: async (spec) => {
      const base = `${prefixOf(spec)}:${spec.queue}:`;
      return withClient((client) => inspectQueue(client, base));
    },
    async repairRepeats(spec, data) {
      const prefix = prefixOf(spec);
      const bull = await loadBullmq();
      return withClient(async (client) => {
        const queue = await openNative(bull, spec.queue, { connection: client, prefix });
        return repairAll(queue, client, data).finally(() => queue.close());
      });
    },
  } satisfies Partial<Broker>;
}

async function openNative({ Queue }: Bullmq, name: string, options: QueueOptions): Promise<Queue> {
  const queue = inNeutralContext(() => new Queue(name, options));
  queue.on("error", () => {}); // each call reports its own
  await queue.waitUntilReady();
  return queue;
}

async function openQueue(
  spec: QueueSpec,
  defaultPrefix: string,
  clients: RedisClients,
  onClose: () => void,
): Promise<BrokerQueue> {
  const options = checkSpec(spec);
  const bull = await loadBullmq();
  const client = await clients.get("commands");
  const prefix = options.prefix ?? defaultPrefix;
  const queue = await openNative(bull, spec.queue, { ...options.queue, connection: client, prefix });
  const publisher = await call(() => createPublisher(bull.Job, queue, client, options.job, clients.explain), clients);
  const consumers = new Set<Consumer>();
  return {
    features,
    lookahead: 0,
    keepsJob: true,
    facts: factsOf,
    // Job ids count from 1 under each prefix: the store, which all prefixes of a server share, must not mix them up.
    ...(prefix === "bull" ? {} : { scope: `${prefix}:${spec.queue}` }),
    publish: publisher.publish,
    async consume(handler, consumeOptions) {
      await call(() => refuseRepeats(client, queue.toKey(""), spec.queue), clients);
      const worker = { lockDuration: spec.leaseMs, ...options.worker, prefix, adopt: spec.adopt ?? false };
      const consumer = await consumeJobs(bull, spec.queue, clients, worker, handler, consumeOptions);
      consumers.add(consumer);
      return consumer;
    },
    ...administration(queue, client, clients),
    async close() {
      onClose();
      await Promise.all([...consumers].map((each) => each.close()));
      publisher.close();
      await queue.close();
    },
  };
}

function factsOf({ native }: Delivery): Facts {
  const { attemptsMade, opts } = native as Job;
  return { attemptsMade, options: { ...opts } };
}

function call<T>(run: () => Promise<T>, { explain }: RedisClients): Promise<T> {
  return run().catch((error: unknown) => Promise.reject(explain(error)));
}

function administration(queue: Queue, client: Redis, clients: RedisClients) {
  const of = <T>(run: () => Promise<T>) => call(run, clients);
  return {
    count: () => of(() => count(queue)),
    clear: () => of(() => queue.drain(true)),
    peek: (n) => of(() => peek(queue, client, n)),
    setPaused: (paused) => of(() => setPaused(queue, client, paused)),
    paused: () => of(() => queue.isPaused()),
    cancel: (ids) => of(() => cancelJobs(queue, client, ids)),
    state: (id) => of(async () => states[await queue.getJobState(anyJobId(id, queue))] ?? "unknown"),
    endedElsewhere: (id) =>
      of(async () => endedElsewhere((await queue.getJob(anyJobId(id, queue))) as Job | undefined)),
    tools: createTools(queue, client),
    reschedule: (id, { delayMs }) => of(() => rescheduleJob(queue, client, id, delayMs)),
    update: (id, edit) => of(() => updateJob(queue, client, id, edit)),
    children: ({ native }) => of(() => childrenOf(native as Job)),
  } satisfies Partial<BrokerQueue>;
}

async function count(queue: Queue): Promise<Counts> {
  // "paused": where BullMQ 5 and Bull park what waits.
  const lists = ["wait", "paused", "prioritized", "delayed", "active"] as "wait"[];
  const counts = await queue.getJobCounts(...lists);
  const { wait = 0, paused = 0, prioritized = 0, delayed = 0, active = 0 } = counts;
  return { ready: wait + paused + prioritized, delayed, running: active };
}

async function childrenOf(job: Job): Promise<Children> {
  const [results = {}, failures = {}] = await Promise.all([job.getChildrenValues(), job.getIgnoredChildrenFailures()]);
  return { results, failures };
}

const states: Record<string, MessageState> = {
  completed: "done",
  failed: "failed",
  delayed: "delayed",
  active: "running",
  waiting: "waiting",
  prioritized: "waiting",
  "waiting-children": "waiting",
};
