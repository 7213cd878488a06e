/** A broker and its store, opened once in a process. */
import { deadline } from "../base/deadline.ts";
import { createLogger } from "../base/log.ts";
import { processWide } from "../base/process-wide.ts";
import type { Broker } from "../contract/broker.ts";
import type { Store } from "../contract/store.ts";
import { checkFormat } from "../store/format.ts";
import { guardedStore } from "../store/guarded.ts";
import { catalog, noSuchBroker } from "./catalog.ts";
import { configuration } from "./configure.ts";

export interface OpenBroker {
  readonly broker: Broker;
  /** The store on the broker's own server, else the configured one. */
  readonly store: Store | undefined;
}

/** One broker per name and instance in a process. */
export const brokersInUse = processWide("brokers", () => new Map<string | Broker, Promise<OpenBroker>>());

export const openMs = 30_000;

export function openBroker(choice: string | Broker): Promise<OpenBroker> {
  const brokers = brokersInUse();
  const existing = brokers.get(choice);
  if (existing) return existing;
  const connecting = connect(choice);
  brokers.set(choice, connecting);
  // The server may be there next time.
  connecting.catch(() => brokers.get(choice) === connecting && brokers.delete(choice));
  return connecting;
}

async function connect(choice: string | Broker): Promise<OpenBroker> {
  const broker = typeof choice === "string" ? await loadBroker(choice) : choice;
  const configured = configuration().store;
  const offered = broker.store?.(configured);
  const own = offered && (await deadline(offered, openMs, "connecting to the store", broker.name));
  const store = own ?? configured;
  checkFormat(store);
  return { broker, store: store && guardedStore(store) };
}

async function loadBroker(name: string): Promise<Broker> {
  const { brokers } = catalog();
  const config = configuration();
  const load = brokers[name];
  if (!load) throw noSuchBroker(name);
  const factory = await load();
  const configured: object = config.brokers ?? {};
  const options =
    (configured as Readonly<Record<string, Parameters<typeof factory>[0]>>)[name] ?? fromEnvironment(name);
  const broker = factory(options);
  if (!options && broker.address)
    createLogger(config.log).info({ broker: name }, `no connection is configured, using ${broker.address()}`);
  return broker;
}

function fromEnvironment(name: string): { url: string } | undefined {
  const prefix = `FUNBOOST_${name.toUpperCase().replaceAll("-", "_")}`;
  const url = process.env[`${prefix}_URL`] || process.env[`${prefix}_FILE`];
  return url ? { url } : undefined;
}
