/** Makes the broker under test, on the backend and the store that `settings` name, in this process and in the children that the kit kills. */
import { agenda } from "../../../adapters/agenda/broker.ts";
import { sqliteStore } from "../../../adapters/sqlite/store.ts";
import type { Broker } from "../../../src/contract/index.ts";
import { withStore } from "../../support/with-store.ts";

/** `url` and `collection` as in `agenda()`; `storeFile`: the store of the backends that offer none. */
export function create({ url, collection, storePrefix, storeFile }: Readonly<Record<string, string>>): Broker {
  if (!url) throw new Error("the Agenda tests need a url: postgres://, redis:// or mongodb://");
  const broker = agenda({ url, ...(collection ? { collection } : {}), ...(storePrefix ? { storePrefix } : {}) });
  return storeFile ? withStore(broker, sqliteStore({ file: storeFile })) : broker;
}

export const warm = (): Promise<unknown> => import("agenda");
