/** Pause for brokers without it: a flag in the store, with notices and a poll. Paused consumers fetch nothing. */
import { repeat } from "../base/clock.ts";
import { toError } from "../base/errors.ts";
import type { Broker, BrokerQueue, ConsumeOptions, Consumer, Handler, Store } from "../contract/index.ts";
import { scopeOf } from "../store/scope.ts";

const pollMs = 400; // with its jitter below the 500 ms in which a pause is in force

/** Cannot promise more than the store: not shared, it pauses the processes that it reaches; not durable, it forgets. */
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
  const paused = await isPaused(store, key); // asked before the first fetch
  const consumer = await queue.consume(handler, options);
  const gate = createGate(consumer, paused);
  const onError = (error: unknown) => options.onError(toError(error));
  const stop = await followFlag(store, key, gate.setPaused, onError).catch(async (error: unknown) => {
    await consumer.close({ force: true });
    throw error;
  });
  return {
    ...consumer,
    setWindow: gate.setWindow,
    async close(closing) {
      const idle = stop();
      if (!closing?.force) await idle;
      await consumer.close(closing);
    },
  };
}

/** The consumer's window, shut while its queue is paused. */
function createGate(consumer: Consumer, pausedAtFirst: boolean) {
  let paused = pausedAtFirst;
  let window = 0;
  return {
    setWindow(n: number): void {
      window = n;
      if (!paused) consumer.setWindow(n);
    },
    setPaused(now: boolean): void {
      if (now === paused) return;
      paused = now;
      consumer.setWindow(paused ? 0 : window);
    },
  };
}

/** Answers a function that stops it, and resolves when it is idle. */
async function followFlag(
  store: Store,
  key: string,
  setPaused: (paused: boolean) => void,
  onError: (error: unknown) => void,
): Promise<() => Promise<void>> {
  const read = async () => setPaused(await isPaused(store, key));
  // A notice says that the flag may have changed; what it is now, the store tells: notices come late or out of order.
  const unsubscribe = await store.subscribe(key, () => void read().catch(onError));
  const stopPolling = repeat(pollMs, read, onError);
  return () => {
    unsubscribe();
    return stopPolling();
  };
}
