/** The store of an open task, for what cannot do without one. */
import { needsStore } from "../base/errors.ts";
import type { Store } from "../contract/store.ts";

interface StoreOwner {
  readonly store: Store | undefined;
  readonly brokerName: string;
}

/** `what`: the call or the option that needs it. */
export function requireStore({ store, brokerName }: StoreOwner, what: string): Store {
  if (!store) throw needsStore(brokerName, what);
  return store;
}
