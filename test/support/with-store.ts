/** A broker whose server holds no store, with one that ends with it. */
import type { Broker, Store } from "../../src/contract/index.ts";

export function withStore(broker: Broker, store: Store): Broker {
  return {
    ...broker,
    store: async () => store,
    async close() {
      await broker.close();
      await store.close();
    },
  };
}
