/**
 * Memory: queues that live in this broker object and end with it. One process, no server, the fastest, and the
 * yardstick of the others.
 */
import { randomUUID } from "node:crypto";
import { clock } from "../../src/base/clock.ts";
import { FunboostError } from "../../src/base/errors.ts";
import { bodyValue } from "../../src/base/json.ts";
import { copyPlain } from "../../src/base/plain-copy.ts";
import type { Broker, BrokerQueue, Consumer, Features, Store } from "../../src/contract/index.ts";
import { createConsumer } from "./consumer.ts";
import { wake } from "./dispatch.ts";
import { abandon, clear, createQueue, firstWaiting, publish, put, type Queue, withdraw } from "./queue.ts";
import { memoryStore } from "./store.ts";

/** No option, and no index: what a spread brings as options of any broker fits. */
type NoOptions = { readonly "~none"?: never };

declare module "../../src/contract/brokers.ts" {
  interface Brokers {
    memory: { options: NoOptions; brokerOptions: NoOptions };
  }
}

const features: Features = {
  ids: true,
  delay: true,
  priority: true,
  retry: true,
  ahead: true,
  pause: true,
  durable: false,
  redelivers: false,
  ordered: true,
  exactCount: true,
  broadcast: false,
  results: false,
};

/**
 * The broker that needs nothing: messages wait in this process and are lost with it.
 *
 * @example
 * const add = boost({ queue: "add", broker: memory() }, (a: number, b: number) => a + b);
 */
export function memory(): Broker<NoOptions> {
  const queues = new Map<string, Queue>();
  const prefix = `${randomUUID().slice(0, 13)}-`;
  let store: Store | undefined;
  return {
    name: "memory",
    features,
    async open(spec) {
      const queue = queues.get(spec.queue) ?? createQueue();
      queues.set(spec.queue, queue);
      return openQueue(queue, spec.queue, prefix);
    },
    store: async () => (store ??= memoryStore()),
    async close() {
      for (const queue of queues.values()) {
        for (const taker of [...queue.takers]) abandon(queue, taker);
        clear(queue);
        queue.ended = true;
      }
      queues.clear();
      await store?.close();
      store = undefined;
    },
  };
}

/** One view of a queue: closing it ends its own consumers, and the messages stay. */
function openQueue(queue: Queue, name: string, prefix: string): BrokerQueue {
  const consumers: Consumer[] = [];
  let closed = false;
  const refuseClosed = () => {
    if (closed || queue.ended)
      throw new FunboostError("SHUT_DOWN", `the queue "${name}" was closed here: open it again.`, { where: "memory" });
  };
  return {
    features,
    keepsValues: true,
    lookahead: 0,
    async publish(messages) {
      refuseClosed();
      const now = clock.now();
      const published = messages.map((message) => publish(queue, message, prefix, now));
      wake(queue);
      return published;
    },
    async consume(handler, options) {
      refuseClosed();
      const consumer = createConsumer(queue, handler, options);
      consumers.push(consumer);
      return consumer;
    },
    async close() {
      closed = true;
      await Promise.all(consumers.map((consumer) => consumer.close()));
    },
    ...createControls(queue),
  };
}

function createControls(queue: Queue) {
  return {
    count: async () => ({
      ready: queue.waiting,
      delayed: queue.later.size,
      running: queue.known.size - queue.waiting - queue.later.size,
    }),
    clear: async () => clear(queue),
    peek: async (n) => firstWaiting(queue, n).map(({ id, body }) => ({ id, body: copyPlain(body) })),
    paused: async () => queue.paused,
    async setPaused(paused) {
      queue.paused = paused;
      wake(queue);
    },
    cancel: async (ids) => ids.filter((id) => withdraw(queue, queue.known.get(id)) && queue.known.delete(id)),
    async state(id) {
      const entry = queue.known.get(id);
      if (!entry) return "unknown";
      if (entry.delivery) return "running";
      return entry.slot < 0 ? "waiting" : "delayed";
    },
    async reschedule(id, { delayMs }) {
      const entry = queue.known.get(id);
      if (!entry || !withdraw(queue, entry)) return false;
      put(queue, entry, delayMs);
      wake(queue);
      return true;
    },
    async update(id, edit) {
      const entry = queue.known.get(id);
      if (!entry || entry.delivery) return false;
      const body = edit({ body: copyPlain(entry.body), ours: true });
      if (body !== undefined) entry.body = bodyValue(body);
      return true;
    },
  } satisfies Partial<BrokerQueue>;
}
