/** How the conformance kit makes a broker that has nothing, with every emulation over the store that is named. */
import { memoryStore } from "../../adapters/stores/memory.ts";
import type { Broker, Store } from "../../src/contract/index.ts";
import { withKnownIds } from "../../src/emulation/known.ts";
import { emulate } from "../../src/features.ts";
import { bareBroker } from "./bare-broker.ts";

export function create(): Broker {
  return emulated(memoryStore());
}

/** Emulated already, so that the contract's own cases ask the emulations too. */
function emulated(store: Store): Broker {
  const bare = bareBroker();
  const broker = withKnownIds(emulate(bare, store), store);
  return {
    ...broker,
    // Its queues do have ids. What the kit asks of brokers whose engine knows them (state, cancel) cannot be emulated.
    features: { ...broker.features, ids: false },
    store: async () => store,
    async close() {
      await broker.close();
      await store.close();
    },
  };
}
