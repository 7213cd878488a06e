/** Memory: queues that live in this broker object and end with it. One process, no server, the fastest, and the yardstick of the others. */
import { randomUUID } from "node:crypto";
import { clock } from "../../src/base/clock.ts";
import { FunboostError, toError } from "../../src/base/errors.ts";
import type {
  Broker,
  BrokerQueue,
  ConsumeOptions,
  Consumer,
  Delivery,
  Features,
  Handler,
  Settlement,
  Store,
} from "../../src/contract/index.ts";
import { addLast, deque, items } from "./deque.ts";
import {
  abandon,
  aheadLevel,
  clear,
  copy,
  type Entry,
  firstWaiting,
  makeQueue,
  place,
  publish,
  put,
  type Queue,
  release,
  removeTaker,
  type Taker,
  takeFirst,
  turn,
  withdraw,
} from "./queue.ts";
import { memoryStore } from "./store.ts";

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
export function memory(): Broker {
  const queues = new Map<string, Queue>();
  const prefix = `${randomUUID().slice(0, 13)}-`;
  let store: Store | undefined;
  return {
    name: "memory",
    features,
    async open(spec) {
      const queue = queues.get(spec.queue) ?? makeQueue();
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
      const consumer = consume(queue, handler, options);
      consumers.push(consumer);
      return consumer;
    },
    async close() {
      closed = true;
      await Promise.all(consumers.map((consumer) => consumer.close()));
    },
    ...controls(queue),
  };
}

function controls(queue: Queue) {
  return {
    count: async () => ({
      ready: queue.waiting,
      delayed: queue.later.size,
      running: queue.known.size - queue.waiting - queue.later.size,
    }),
    clear: async () => clear(queue),
    peek: async (n) => firstWaiting(queue, n).map(({ id, body }) => ({ id, body: copy(body) })),
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
  } satisfies Partial<BrokerQueue>;
}

/** Hands out in a microtask, so that a tick's messages go together; after a turn's worth, timers and sockets come first. */
function wake(queue: Queue): void {
  if (queue.scheduled || queue.paused || queue.waiting === 0) return;
  queue.scheduled = true;
  if (queue.left > 0) queueMicrotask(() => dispatch(queue));
  else
    setImmediate(() => {
      queue.left = turn;
      dispatch(queue);
    }); // not unref: the loop would sleep until the next timer first
}

function dispatch(queue: Queue): void {
  queue.scheduled = false;
  const now = clock.monotonic();
  while (queue.waiting > 0 && !queue.paused) {
    const taker = nextWithRoom(queue);
    if (!taker) return;
    if (queue.left-- <= 0) {
      wake(queue);
      return;
    }
    taker.lastFetchAt = now;
    deliver(queue, taker, takeFirst(queue));
  }
}

/** Consumers of one queue take turns. */
function nextWithRoom(queue: Queue): Taker | undefined {
  const { takers } = queue;
  for (let tried = 0; tried < takers.length; tried++) {
    queue.served = queue.served + 1 < takers.length ? queue.served + 1 : 0;
    const taker = takers[queue.served] as Taker;
    if (taker.held.size < taker.window) return taker;
  }
  return undefined;
}

function deliver(queue: Queue, taker: Taker, entry: Entry): void {
  const { id, attempt, crashes, publishedAt } = entry;
  // A copy again: a run that changes its args must not change those of its retry.
  const facts = {
    id,
    body: copy(entry.body),
    attempt,
    crashes,
    ahead: entry.level === aheadLevel,
    publishedAt,
    native: undefined,
  };
  const delivery: Delivery = taker.aborts ? { ...facts, signal: signalFor(taker.aborts, entry) } : facts;
  entry.delivery = delivery;
  addLast(taker.held, entry);
  taker.handler(delivery).then(
    (settlement) => settle(queue, taker, entry, delivery, settlement),
    (thrown: unknown) => {
      taker.options.onError(toError(thrown));
      settle(queue, taker, entry, delivery, { outcome: "postponed", delayMs: 1000 });
    },
  );
}

function signalFor(aborts: Map<Entry, AbortController>, entry: Entry): AbortSignal {
  const controller = new AbortController();
  aborts.set(entry, controller);
  return controller.signal;
}

function settle(queue: Queue, taker: Taker, entry: Entry, delivery: Delivery, settlement: Settlement): void {
  if (entry.delivery !== delivery) {
    taker.options.onSettled(delivery, "stale");
    return;
  }
  release(taker, entry);
  switch (settlement.outcome) {
    case "done":
    case "failed":
      queue.known.delete(entry.id);
      break;
    case "returned":
      place(queue, entry, true);
      break;
    default:
      if (settlement.outcome === "retry") entry.attempt++;
      entry.putOff = true;
      put(queue, entry, settlement.delayMs);
  }
  taker.options.onSettled(delivery, "applied");
  if (taker.held.size === 0) taker.drained();
  wake(queue);
}

function consume(queue: Queue, handler: Handler, options: ConsumeOptions): Consumer {
  queue.refilled = () => wake(queue);
  const aborts = options.signal ? new Map<Entry, AbortController>() : undefined;
  const taker: Taker = {
    window: 0,
    lastFetchAt: undefined,
    held: deque(),
    handler,
    options,
    aborts,
    drained: () => {},
  };
  let closing: Promise<void> | undefined;
  queue.takers.push(taker);
  const drain = () => {
    removeTaker(queue, taker);
    return new Promise<void>((resolve) => {
      taker.drained = resolve;
      if (taker.held.size === 0) resolve();
    });
  };
  return {
    setWindow(n) {
      if (closing) return;
      taker.window = n;
      wake(queue);
    },
    status: () => ({
      held: items(taker.held).map((entry) => entry.id),
      ...(taker.lastFetchAt === undefined ? {} : { lastFetchAt: taker.lastFetchAt }),
    }),
    close({ force = false } = {}) {
      closing ??= drain();
      if (force) abandon(queue, taker);
      return closing;
    },
  };
}
