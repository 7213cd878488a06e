/** Delayed messages for brokers without them: held in the store's timers, and published when due by whoever consumes the queue. */
import { v7 as uuidv7 } from "uuid";
import { clock, sleep } from "../base/clock.ts";
import { toError } from "../base/errors.ts";
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
 * Cannot promise: a time while nobody consumes the queue (it is published as soon as somebody does), more durability than the store
 * has, and exactly one publish: a process that dies or sleeps between publish and acknowledgement leaves both. One of them runs.
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
          const stopped = stop();
          if (!closing?.force) await stopped; // a store that is down must not hold up a forced close
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
  const collapsed = new Set<Delivery>();
  const ended = (delivery: Delivery, settlement: Settlement) => {
    collapsed.add(delivery);
    return settlement;
  };
  const claimThenRun = async (delivery: Delivery, fired: string) => {
    try {
      return (await claimFiring(store, fired)) ? handler(delivery) : ended(delivery, { outcome: "done" });
    } catch (error) {
      options.onError(toError(error));
      await sleep(lookAgainMs, { unref: true });
      return ended(delivery, { outcome: "returned" });
    }
  };
  const once: Handler = (delivery) => {
    const fired = firingOf(delivery.body);
    return fired === undefined ? handler(delivery) : claimThenRun(delivery, fired);
  };
  const onSettled: ConsumeOptions["onSettled"] = (delivery, how) =>
    collapsed.delete(delivery) || options.onSettled(delivery, how);
  return queue.consume(once, { ...options, onSettled });
}

function calls(queue: BrokerQueue, { timers }: Store, name: string): Partial<BrokerQueue> {
  const { count, clear, cancel } = queue;
  return {
    ...(count && {
      async count() {
        const [counts, later] = await Promise.all([count(), timers.count(name)]);
        return { ...counts, delayed: counts.delayed + later };
      },
    }),
    ...(clear && {
      async clear() {
        await timers.clear(name);
        await clear();
      },
    }),
    ...(cancel && {
      async cancel(ids: readonly string[]) {
        const later = await timers.remove(name, ids);
        const others = ids.filter((id) => !later.includes(id));
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
  const later: TimerEntry[] = [];
  const rest: Message[] = [];
  const order = messages.map((message) => {
    const { delayMs = 0, ...direct } = message;
    if (delayMs <= 0) return rest.push(direct) - 1;
    const id = direct.id ?? uuidv7();
    later.push({
      id,
      dueInMs: delayMs,
      payload: timerPayload({ ...direct, id, publishedAt: direct.publishedAt ?? now }),
    });
    return { id };
  });
  if (later.length > 0) {
    await store.timers.add(name, later);
    wakePumps(store, name);
  }
  const published =
    rest.length > 0
      ? await queue.publish(rest).catch((error) =>
          Promise.reject(
            addAccepted(
              error,
              later.map(({ id }) => id),
            ),
          ),
        )
      : [];
  return order.map((place) => (typeof place === "number" ? (published[place] as Published) : place));
}
