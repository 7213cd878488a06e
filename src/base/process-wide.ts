/** State that all copies of funboost in a process share: bundlers and pnpm make several. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Consuming } from "../consume/consume.ts";
import type { Broker, BrokerFactory } from "../contract/broker.ts";
import type { Store } from "../contract/store.ts";
import type { Configuration } from "../setup/configure.ts";
import type { Definition } from "../setup/definition.ts";
import type { Run } from "../task/context.ts";

export interface Opened {
  readonly broker: Broker;
  /** The store on the broker's own server, else the configured one. */
  readonly store: Store | undefined;
}

/** AsyncLocalStorage, as far as it is used here: our declarations must not need those of Node. */
interface RunStorage {
  getStore(): Run | undefined;
  run<T>(run: Run, work: () => T): T;
  exit<T>(work: () => T): T;
}

interface Shared {
  config: Configuration;
  /** Set at the first use: from then on configure() throws. */
  used: boolean;
  shuttingDown: boolean;
  catalog: Readonly<Record<string, () => Promise<BrokerFactory>>>;
  /** By queue name; the same broker and queue occurs once. */
  readonly definitions: Map<string, Definition[]>;
  readonly brokers: Map<string | Broker, Promise<Opened>>;
  readonly consumers: Set<Consuming>;
  /** Definitions that are or become ready: shutdown() makes them start anew. */
  readonly resolved: Set<Definition>;
  /** Counts shutdowns: what was still opening when one came is not used any more. */
  generation: number;
  readonly runs: RunStorage;
  removeSignalHandlers: (() => void) | undefined;
}

const key = Symbol.for("funboost.v1");

export function shared(): Shared {
  const home = globalThis as { [key]?: Shared };
  home[key] ??= {
    config: {},
    used: false,
    shuttingDown: false,
    catalog: {},
    definitions: new Map(),
    brokers: new Map(),
    consumers: new Set(),
    resolved: new Set(),
    generation: 0,
    runs: new AsyncLocalStorage<Run>(),
    removeSignalHandlers: undefined,
  };
  return home[key];
}
