/** Delayed messages for brokers without them: timers in the store, published when due by whoever consumes the queue. */
import { v7 as uuidv7 } from "uuid";
import { clock, sleep } from "../base/clock.ts";
import { toError } from "../base/errors.ts";
import { publishExcept } from "../base/publish-except.ts";
import { isOpen } from "../base/task-state.ts";
import type {
  Broker,
  BrokerQueue,
  ConsumeOptions,
  Consumer,
  Delivery,
  Handler,
  Message,
  Published,
  Settlement,
  Store,
  TimerEntry,
} from "../contract/index.ts";
import { scopeOf } from "../store/scope.ts";
import { addAccepted } from "./accepted.ts";
import { startPump, wakePumps } from "./delay-pump.ts";
import { claimFiring, firingOf, timerPayload } from "./firing.ts";

const lookAgainMs = 500;

/**
 * Cannot promise: a time while nobody consumes the queue (it is published as soon as somebody does), more durability
 * than the store has, and exactly one publish: a process that dies or sleeps between publish and acknowledgement leaves
 * both. One of them runs.
 */
export function withDelay(broker: Broker, store: Store): Broker {
  const { durable } = store;
  return {
    ...broker,
    features: { ...broker.features, delay: true, durable: broker.features.durable && durable },
    async open(spec) {
      const queue = await broker.open(spec);
      return delaysOn(queue, store, scopeOf(broker, queue, spec));
    },
  };
}

function delaysOn(queue: BrokerQueue, store: Store, name: string): BrokerQueue {
  const pumps = new Set<() => Promise<void>>();
  return {
    ...queue,
    ...calls(queue, store, name),
    features: { ...queue.features, delay: true, durable: queue.features.durable && store.durable },
    publish: (messages) => publish(queue, store, name, messages),
    async consume(handler, options) {
      const consumer = await consumeOnce(queue, store, handler, options);
      const stop = startPump(queue, store, name, options.onError);
      pumps.add(stop);
      return {
        ...consumer,
        async close(closing) {
          const idle = stop();
          if (!closing?.force) await idle; // a store that is down must not hold up a forced close
          pumps.delete(stop);
          await consumer.close(closing);
        },
      };
    },
    async close() {
      await Promise.all(Array.from(pumps, (stop) => stop()));
      await queue.close();
    },
  };
}

/** A second firing of one timer ends here: nobody above hears of it. */
function consumeOnce(queue: BrokerQueue, store: Store, handler: Handler, options: ConsumeOptions): Promise<Consumer> {
  const unseen = new Set<Delivery>();
  const settleUnseen = (delivery: Delivery, settlement: Settlement) => {
    unseen.add(delivery);
    return settlement;
  };
  const claimThenRun = async (delivery: Delivery, firing: string) => {
    try {
      return (await claimFiring(store, firing)) ? handler(delivery) : settleUnseen(delivery, { outcome: "done" });
    } catch (error) {
      options.onError(toError(error));
      await sleep(lookAgainMs, { unref: true });
      return settleUnseen(delivery, { outcome: "returned" });
    }
  };
  const once: Handler = (delivery) => {
    const firing = firingOf(delivery.body);
    return firing === undefined ? handler(delivery) : claimThenRun(delivery, firing);
  };
  const onSettled: ConsumeOptions["onSettled"] = (delivery, how) =>
    unseen.delete(delivery) || options.onSettled(delivery, how);
  return queue.consume(once, { ...options, onSettled });
}

function calls(queue: BrokerQueue, { timers }: Store, name: string): Partial<BrokerQueue> {
  const { count, clear, cancel, state } = queue;
  return {
    ...(state && {
      // A timer is not found by its id: while there are some, the engine's word is not all.
      async state(id: string) {
        const [known, [later]] = await Promise.all([state(id), timers.count([name])]);
        return isOpen(known) || later === 0 ? known : undefined;
      },
    }),
    ...(count && {
      async count() {
        const [counts, [later = 0]] = await Promise.all([count(), timers.count([name])]);
        return { ...counts, delayed: counts.delayed + later };
      },
    }),
    ...(clear && {
      async clear() {
        await timers.clear([name]);
        await clear();
      },
    }),
    ...(cancel && {
      async cancel(ids: readonly string[]) {
        const removed = await timers.remove(ids.map((id) => ({ queue: name, id })));
        const later = ids.filter((_, i) => removed[i]);
        const others = ids.filter((_, i) => !removed[i]);
        return others.length === 0 ? later : [...later, ...(await cancel(others))];
      },
    }),
  };
}

async function publish(
  queue: BrokerQueue,
  store: Store,
  name: string,
  messages: readonly Message[],
): Promise<readonly Published[]> {
  if (messages.every(({ delayMs }) => delayMs === undefined)) return queue.publish(messages);
  const now = clock.now();
  const timers: TimerEntry[] = [];
  const later = new Map<Message, Published>();
  const undelayed = messages.map(({ delayMs = 0, ...message }) => {
    if (delayMs > 0) {
      const id = message.id ?? uuidv7();
      const payload = timerPayload({ ...message, id, publishedAt: message.publishedAt ?? now });
      timers.push({ queue: name, id, dueInMs: delayMs, payload });
      later.set(message, { id });
    }
    return message;
  });
  if (timers.length > 0) {
    await store.timers.add(timers);
    wakePumps(store, name);
  }
  return publishExcept(undelayed, later, (rest) => queue.publish(rest)).catch((error: unknown) => {
    throw addAccepted(error, timers);
  });
}
