/** How the conformance kit makes a broker without features over a store: all that it is asked for is emulated. */

import { memoryStore } from "../../../adapters/memory/store.ts";
import { postgresStore } from "../../../adapters/postgres/store.ts";
import { redisStore } from "../../../adapters/redis/store.ts";
import { sqlite } from "../../../adapters/sqlite/broker.ts";
import { sqliteStore } from "../../../adapters/sqlite/store.ts";
import type { Broker, Store } from "../../../src/contract/index.ts";
import { bareBroker } from "../../support/bare-broker.ts";
import { withStore } from "../../support/with-store.ts";

function storeOf(settings: Readonly<Record<string, string>>): Store {
  if (settings.store === "redis" && settings.REDIS_URL) return redisStore({ url: settings.REDIS_URL });
  if (settings.store === "postgres" && settings.POSTGRES_URL)
    return postgresStore({ url: settings.POSTGRES_URL, schema: settings.schema ?? "funboost" });
  if (settings.store === "sqlite" && settings.file) return sqliteStore({ file: settings.file });
  return memoryStore();
}

export function create(settings: Readonly<Record<string, string>>): Broker {
  return withStore(bareBroker(settings.engine ? sqlite({ file: settings.engine }) : undefined), storeOf(settings));
}
