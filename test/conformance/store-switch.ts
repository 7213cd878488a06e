/** A store that a case can take away, as an outage of its server would: calls reject at once, or hang until it is back. */
import { memoryStore } from "funboost/stores/memory";
import type { Broker, Store } from "../../src/contract/index.ts";

/** What a call does while the store is away. */
export type Outage = "fails" | "hangs";

export interface StoreSwitch {
  off(how: Outage): void;
  on(): void;
}

type Call = (...args: never[]) => Promise<unknown>;

interface State {
  outage: Outage | undefined;
  waiting: (() => void)[];
}

/** The broker with its own store, or with one in memory where it has none, behind a switch. */
export function switchedStore(broker: Broker): { readonly broker: Broker; readonly storeSwitch: StoreSwitch } {
  const state: State = { outage: undefined, waiting: [] };
  const storeSwitch: StoreSwitch = {
    off: (how) => void (state.outage = how),
    on() {
      state.outage = undefined;
      for (const go of state.waiting.splice(0)) go();
    },
  };
  const own = broker.store ?? (async () => ({ ...memoryStore(), scope: "shared" as const })); // stands in for a server's
  const store = async () => switched((await own()) ?? memoryStore(), state);
  return { broker: { ...broker, store }, storeSwitch };
}

function switched(store: Store, state: State): Store {
  return {
    ...through(store, ["get", "set", "delete", "increment", "reserve", "lease", "release", "expire", "notify"], state),
    timers: through(store.timers, ["add", "lease", "ack", "remove", "read", "count", "clear"], state),
    list: through(store.list, ["append", "read"], state),
    map: through(store.map, ["put", "get", "read", "remove"], state),
    index: through(store.index, ["put", "remove", "read", "count"], state),
    results: through(store.results, ["put", "get", "delete", "wait"], state),
    // Notices are lost meanwhile.
    subscribe: async (channel, listener) => {
      await answers(state);
      return store.subscribe(channel, (text) => void (state.outage === undefined && listener(text)));
    },
  };
}

function through<T extends object>(target: T, names: readonly (keyof T & string)[], state: State): T {
  const copy: Record<string, unknown> = { ...(target as Record<string, unknown>) };
  for (const name of names) {
    const call = target[name] as Call;
    copy[name] = async (...args: never[]) => {
      await answers(state);
      const answer = await call.apply(target, args);
      if (name !== "wait") await answers(state); // done, but its answer is lost, or late
      return answer;
    };
  }
  return copy as T;
}

async function answers(state: State): Promise<void> {
  if (state.outage === "fails") throw new Error("the store is switched off");
  if (state.outage === "hangs") await new Promise<void>((go) => state.waiting.push(go));
}
