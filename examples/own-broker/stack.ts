/** A broker of one's own in 40 lines: last in, first out. What it lacks is emulated: ids, delays, retries, priorities, pause, results. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Broker, BrokerQueue, Delivery, Features } from "funboost/contract";
import { memoryStore } from "funboost/stores/memory";

const lacks = {
  ids: false,
  delay: false,
  priority: false,
  retry: false,
  ahead: false,
  pause: false,
  broadcast: false,
  results: false,
};
const features: Features = { ...lacks, durable: false, redelivers: false, ordered: false, exactCount: true };

export function stack(): Broker {
  const stacks = new Map<string, BrokerQueue>();
  const store = memoryStore();
  const open = (name: string) => stacks.get(name) ?? stacks.set(name, openStack([])).get(name);
  return {
    name: "stack",
    features,
    open: async ({ queue }) => open(queue) as BrokerQueue,
    store: async () => store,
    close: () => store.close(),
  };
}

function openStack(waiting: unknown[]): BrokerQueue {
  const consume: BrokerQueue["consume"] = async (handler, { onSettled }) => {
    const held = new Set<Delivery>();
    let window = 0; // the core says how many it wants at once
    const run = async (delivery: Delivery) => {
      held.add(delivery);
      const { outcome } = await handler(delivery); // never rejects
      held.delete(delivery);
      if (outcome === "returned") waiting.push(delivery.body);
      onSettled(delivery, "applied");
    };
    const timer = setInterval(() => {
      while (held.size < window && waiting.length > 0)
        void run({ id: "", body: waiting.pop(), attempt: 1, native: undefined });
    }, 5);
    const close = async () => {
      for (clearInterval(timer); held.size > 0; ) await sleep(5);
    };
    return { setWindow: (n) => void (window = n), status: () => ({ held: [...held].map(({ id }) => id) }), close };
  };
  const count = async () => ({ ready: waiting.length, delayed: 0 });
  const publish: BrokerQueue["publish"] = async (messages) =>
    messages.map(({ body }) => ({ id: String(waiting.push(body)) }));
  return { features, lookahead: 0, publish, consume, count, close: async () => {} };
}
