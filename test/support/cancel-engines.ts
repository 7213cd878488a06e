/** What the cancel tests and the processes that they start consume with: SQLite or an engine with a server; `deaf`: its store tells nobody anything. */
import { sqlite } from "../../adapters/brokers/sqlite.ts";
import { sqliteStore } from "../../adapters/stores/sqlite.ts";
import type { Broker, Store } from "../../src/contract/index.ts";
import { create as createEngine } from "./engines.ts";
import { withStore } from "./with-store.ts";

export function create(settings: Readonly<Record<string, string>>): Broker {
  const { engine, file = "" } = settings;
  const made = engine === "sqlite" ? sqlite({ file }) : createEngine(settings);
  const broker = made.store || !settings.storeFile ? made : withStore(made, sqliteStore({ file: settings.storeFile }));
  return settings.deaf ? deaf(broker) : broker;
}

/** As one that has no notices: whoever listens has to poll. */
function deaf(broker: Broker): Broker {
  const { store } = broker;
  if (!store) return broker;
  const silent = async (): Promise<Store> => ({ ...(await store()), notify: async () => {}, subscribe: async () => () => {} });
  return { ...broker, store: silent };
}
