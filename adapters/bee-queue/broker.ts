/** Bee-Queue 2: its own ids, delays and retries; jobs stay readable to Bee-Queue's own workers and tools. */

import { clock } from "../../src/base/clock.ts";
import type { Broker, BrokerQueue, Consumer, Features, QueueSpec, Store } from "../../src/contract/index.ts";
import { redisStore } from "../redis/store.ts";
import { checkNames } from "../shared/check-names.ts";
import { type BeeJob, loadClient } from "./bee.ts";
import { type BeeClients, createClients } from "./clients.ts";
import { consumeJobs } from "./consume.ts";
import { bodyOf } from "./delivery.ts";
import { connectQueue, type OpenQueue } from "./open-queue.ts";
import { type BeeQueueOptions, type BeeQueueQueueOptions, checkSpec } from "./options.ts";
import { createPublisher } from "./publish.ts";
import { scripts } from "./scripts.ts";

export type { BeeQueueOptions, BeeQueueQueueOptions };

declare module "../../src/contract/brokers.ts" {
  interface Brokers {
    "bee-queue": { options: BeeQueueOptions; brokerOptions: BeeQueueQueueOptions };
  }
}

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
 * const broker = beeQueue({ url: "redis://127.0.0.1:6379" });
 * const send = boost({ queue: "mail", broker }, async (to: string) => `sent to ${to}`);
 */
export function beeQueue(options: BeeQueueOptions = {}): Broker<BeeQueueQueueOptions> {
  checkNames("bee-queue", options, ["url", "connection", "prefix", "storePrefix"], "beeQueue()");
  const { prefix = "bq", storePrefix, ...source } = options;
  const clients = createClients(source, loadClient);
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

interface AbandonableQueue {
  readonly queue: BrokerQueue;
  /** Closes it at once: what is held is delivered again later. */
  abandon(): Promise<void>;
}

async function openQueue(
  spec: QueueSpec,
  defaultPrefix: string,
  clients: BeeClients,
  onClose: () => void,
): Promise<AbandonableQueue> {
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
    facts: ({ native, attempt }) => ({ attemptsMade: attempt - 1, options: { ...(native as BeeJob).options } }),
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

const mostCleared = 1_000;

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
        while (((await run(scripts.clear, base, [mostCleared])) as number) >= mostCleared);
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
    tools: { progress: async ({ native }, value) => void (await (native as BeeJob).reportProgress(value)) },
    reschedule: (id, { delayMs }) =>
      call(async () => (await run(scripts.reschedule, base, [id, Math.ceil(clock.now() + delayMs)])) === 1),
  } satisfies Partial<BrokerQueue>;
}
