/** Pause for brokers without it: a flag in the store, told by a notice and read again by a poll; paused consumers fetch nothing. */
import { repeat } from "../base/clock.ts";
import { toError } from "../base/errors.ts";
import type { Broker, BrokerQueue, ConsumeOptions, Consumer, Handler, Store } from "../contract/index.ts";
import { scopeOf } from "../store/scope.ts";

const pollMs = 400; // with its jitter below the 500 ms in which a pause is in force

/** Cannot promise more than the store: one that is not shared pauses the processes that it reaches, one that is not durable forgets. */
export function withPause(broker: Broker, store: Store): Broker {
  return {
    ...broker,
    features: { ...broker.features, pause: true },
    async open(spec) {
      const queue = await broker.open(spec);
      return pauseOn(queue, store, `paused:${scopeOf(broker, queue, spec)}`);
    },
  };
}

function pauseOn(queue: BrokerQueue, store: Store, key: string): BrokerQueue {
  return {
    ...queue,
    features: { ...queue.features, pause: true },
    async setPaused(paused) {
      if (paused) await store.set([{ key, value: "1" }]);
      else await store.delete([key]);
      await store.notify(key, paused ? "1" : "0");
    },
    paused: () => isPaused(store, key),
    consume: (handler, options) => consume(queue, store, key, handler, options),
  };
}

async function isPaused(store: Store, key: string): Promise<boolean> {
  const [flag] = await store.get([key]);
  return flag !== undefined;
}

async function consume(
  queue: BrokerQueue,
  store: Store,
  key: string,
  handler: Handler,
  options: ConsumeOptions,
): Promise<Consumer> {
  let paused = await isPaused(store, key); // known before the first fetch
  const consumer = await queue.consume(handler, options);
  let window = 0;
  const learn = (now: boolean) => {
    if (now === paused) return;
    paused = now;
    consumer.setWindow(paused ? 0 : window);
  };
  const read = async () => learn(await isPaused(store, key));
  const failed = (error: unknown) => options.onError(toError(error));
  // A notice says that the flag may have changed; what it is now, the store tells: notices may come late or out of order.
  const unsubscribe = await store
    .subscribe(key, () => void read().catch(failed))
    .catch(async (error: unknown) => {
      await consumer.close({ force: true });
      throw error;
    });
  const stopPolling = repeat(pollMs, read, failed);
  return {
    ...consumer,
    setWindow(n) {
      window = n;
      if (!paused) consumer.setWindow(n);
    },
    async close(closing) {
      unsubscribe();
      const stopped = stopPolling();
      if (!closing?.force) await stopped;
      await consumer.close(closing);
    },
  };
}
