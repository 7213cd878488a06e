/** Ways in which a broker can lie: to be put round an honest queue. */
import type {
  BrokerQueue,
  ConsumeOptions,
  Consumer,
  Delivery,
  Handler,
  Message,
  Published,
  Settlement,
  Store,
} from "../../src/contract/index.ts";
import type { CaseName } from "../conformance/index.ts";

export interface Fault {
  /** The case that must fail. */
  readonly noticedBy: CaseName;
  /** Round SQLite instead of memory, for cases with several processes. */
  readonly durable?: boolean;
  /** Round a broker that has nothing, so that all is emulated. */
  readonly bare?: boolean;
  /** What is different about its store. */
  readonly store?: (store: Store) => Partial<Store>;
  /** What is different about a queue. */
  lie(queue: BrokerQueue, name: string): Partial<BrokerQueue>;
}

export const fault = (noticedBy: CaseName, lie: Fault["lie"]): Fault => ({ noticedBy, lie });
export const durableFault = (noticedBy: CaseName, lie: Fault["lie"]): Fault => ({ noticedBy, lie, durable: true });

/** Messages as they are given on. */
export const publishing =
  (change: (messages: readonly Message[]) => readonly Message[]) =>
  (queue: BrokerQueue): Partial<BrokerQueue> => ({ publish: (messages) => queue.publish(change(messages)) });

export const without =
  (key: keyof Message) =>
  (messages: readonly Message[]): readonly Message[] =>
    messages.map(({ [key]: _, ...rest }) => rest as Message);

/** Deliveries as the core sees them, and settlements as the engine does. */
export const handling =
  (wrap: (handler: Handler) => Handler) =>
  (queue: BrokerQueue): Partial<BrokerQueue> => ({
    consume: (handler, options) => queue.consume(wrap(handler), options),
  });

export const settling = (change: (settlement: Settlement, delivery: Delivery) => Settlement) =>
  handling((handler) => async (delivery) => change(await handler(delivery), delivery));

export const consuming =
  (
    wrap: (consumer: Consumer) => Partial<Consumer>,
    change: (options: ConsumeOptions) => ConsumeOptions = (options) => options,
  ) =>
  (queue: BrokerQueue): Partial<BrokerQueue> => ({
    consume: async (handler, options) => {
      const consumer = await queue.consume(handler, change(options));
      return { ...consumer, ...wrap(consumer) };
    },
  });

/** Tells the core that a message was accepted, and loses every tenth. */
export function losing(queue: BrokerQueue): Partial<BrokerQueue> {
  let n = 0;
  return {
    async publish(messages) {
      const answers: Published[] = [];
      for (const message of messages) {
        const lost = ++n % 10 === 0;
        const [published] = lost ? [{ id: message.id ?? `lost-${n}` }] : await queue.publish([message]);
        if (published) answers.push(published);
      }
      return answers;
    },
  };
}

/** What is done while it closes is forgotten: the acknowledgements were still in a buffer. */
export function forgettingAcks(queue: BrokerQueue): Partial<BrokerQueue> {
  return {
    async consume(handler, options) {
      let closing = false;
      const consumer = await queue.consume(async (delivery) => {
        const settlement = await handler(delivery);
        return closing ? { outcome: "returned" } : settlement;
      }, options);
      return {
        ...consumer,
        close(how) {
          closing = true;
          return consumer.close(how);
        },
      };
    },
  };
}

/** Publishes the delayed ones again, at once after a clear. */
export function clearingHalf(queue: BrokerQueue): Partial<BrokerQueue> {
  const delayed: Message[] = [];
  return {
    publish(messages) {
      delayed.push(...messages.filter(({ delayMs = 0 }) => delayMs > 0));
      return queue.publish(messages);
    },
    async clear() {
      await queue.clear?.();
      await queue.publish(delayed);
    },
  };
}

/** Hands a delivery out a second time while its run goes on. */
export const redelivering = handling((handler) => (delivery) => {
  const timer = setTimeout(() => void handler({ ...delivery }), 600);
  return handler(delivery).finally(() => clearTimeout(timer));
});

/** A paused consumer goes on, and nobody is told. */
export const neverPaused = (): Partial<BrokerQueue> => {
  let said = false;
  return {
    async setPaused(paused) {
      said = paused;
    },
    paused: async () => said && false,
  };
};
