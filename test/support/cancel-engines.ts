/** What the cancel tests and the processes that they start consume with: SQLite or an engine with a server; `deaf`: its store tells nobody anything; `stallFile`: where stalls are written. */
import { openSync, readFileSync, writeSync } from "node:fs";
import { sqlite } from "../../adapters/sqlite/broker.ts";
import { sqliteStore } from "../../adapters/sqlite/store.ts";
import type { Broker, Store } from "../../src/contract/index.ts";
import { wrapBroker } from "../../src/index.ts";
import { machineMs, type Stall, watchStalls } from "../conformance/machine.ts";
import { create as createEngine } from "./engines.ts";
import { withStore } from "./with-store.ts";

export function create(settings: Readonly<Record<string, string>>): Broker {
  const { engine, file = "", stallFile } = settings;
  if (stallFile) writeStalls(stallFile);
  const made = engine === "sqlite" ? sqlite({ file }) : createEngine(settings);
  const broker = made.store || !settings.storeFile ? made : withStore(made, sqliteStore({ file: settings.storeFile }));
  return settings.deaf ? deaf(broker) : broker;
}

/** As one that has no notices: whoever listens has to poll. */
function deaf(broker: Broker): Broker {
  const { store } = broker;
  if (!store) return broker;
  const silent = async (): Promise<Store> => ({
    ...((await store()) as Store),
    notify: async () => {},
    subscribe: async () => () => {},
  });
  return { ...broker, store: silent };
}

/** Of the process that runs the task. */
function writeStalls(file: string): void {
  const out = openSync(file, "a");
  watchStalls((stall) => void writeSync(out, `${JSON.stringify(stall)}\n`));
}

export function stallsIn(file: string): Stall[] {
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Stall);
}

/** Notes for each id when the word that it is cancelled was kept, by the store or by the engine. */
export function noting(broker: Broker, keptAt: Map<string, number>): Broker {
  const note = (ids: readonly string[]) => ids.forEach((id) => keptAt.set(id, machineMs()));
  const { store } = broker;
  if (!store)
    return wrapBroker(broker, ({ askToEnd }) => ({
      askToEnd: async (ids) => {
        const asked = (await askToEnd?.(ids)) ?? [];
        note(asked);
        return asked;
      },
    }));
  const noted = async (): Promise<Store> => {
    const inner = (await store()) as Store;
    const append: Store["list"]["append"] = async (entries) => {
      const lengths = await inner.list.append(entries);
      for (const { key, items } of entries)
        if (key.startsWith("cancels:")) note(items.map((item) => item.slice(item.indexOf(" ") + 1)));
      return lengths;
    };
    return { ...inner, list: { ...inner.list, append } };
  };
  return { ...broker, store: noted };
}
