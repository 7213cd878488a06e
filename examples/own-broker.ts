/** A broker of one's own in 40 lines: last in, first out. What it lacks is emulated: delays, retries, priorities, pause. */
import { boost, registerBroker, shutdown, waitAll } from "funboost";
import type { Broker, Consumer, Delivery, Features } from "funboost/contract";
import { memoryStore } from "funboost/stores/memory";

const nothing = { ids: false, delay: false, priority: false, retry: false, ahead: false, pause: false };
const features: Features = { ...nothing, durable: false, redelivers: false, ordered: false, exactCount: true, broadcast: false, results: false };

function stack(): Broker {
  const stacks = new Map<string, { readonly messages: unknown[]; wake: () => void }>();
  const store = memoryStore();
  return {
    name: "stack",
    features,
    store: async () => store,
    async open({ queue }) {
      const own = stacks.get(queue) ?? { messages: [], wake: () => {} };
      stacks.set(queue, own);
      return {
        features,
        lookahead: 0,
        async publish(messages) {
          own.messages.push(...messages.map(({ body }) => body));
          own.wake();
          return messages.map(() => ({ id: "" }));
        },
        async consume(handler, { onSettled }): Promise<Consumer> {
          const held = new Set<Delivery>();
          let window = 0;
          const fetch = () => {
            while (held.size < window && own.messages.length > 0) {
              const delivery: Delivery = { id: "", body: own.messages.pop(), attempt: 1, native: undefined };
              held.add(delivery);
              void handler(delivery).then(({ outcome }) => {
                held.delete(delivery);
                if (outcome === "returned") own.messages.push(delivery.body);
                onSettled(delivery, "applied");
                setImmediate(fetch);
              });
            }
          };
          own.wake = () => setImmediate(fetch);
          const setWindow = (n: number) => void ((window = n), own.wake());
          return { setWindow, status: () => ({ held: [] }), close: async () => setWindow(0) };
        },
        count: async () => ({ ready: own.messages.length, delayed: 0 }),
        close: async () => {},
      };
    },
    close: () => store.close(),
  };
}

registerBroker("stack", stack);
const order: number[] = [];
const task = boost({ queue: "plates", broker: "stack", rpc: true, concurrency: 1, backoff: 0 }, async function task(n: number) {
  if (n === 2 && order.filter((each) => each === 2).length === 0) {
    order.push(2);
    throw new Error("again");
  }
  order.push(n);
});
const runs = await task.pushMany([[1], [2], [3], [4]]);
await task.consume();
await waitAll(runs);
console.log(order.join(" "));
await shutdown();
