/** Params of a task whose broker has this store. */
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import type { Store } from "../../src/contract/index.ts";

let queues = 0;

export const onStore = (store: Store = memoryStore()) => ({
  queue: `on-store.${queues++}`,
  broker: { ...memory(), store: async () => store },
  rpc: true,
  backoff: 0,
  maxRetries: 0,
});
