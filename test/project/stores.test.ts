/** Every store keeps the contract: the same cases over memory, a SQLite file, Redis and PostgreSQL. What only one of them can get wrong is in its unit test. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, describe, expect, it, vi } from "vitest";
import { memoryStore } from "../../adapters/memory/store.ts";
import { postgresStore } from "../../adapters/postgres/store.ts";
import { redisStore } from "../../adapters/redis/store.ts";
import { sqliteStore } from "../../adapters/sqlite/store.ts";
import type { Store } from "../../src/contract/index.ts";
import { dropSchemas } from "../support/drop-schemas.ts";
import { serviceFor } from "../support/services.ts";
import { storeCases } from "../support/store-cases.ts";

const service = await serviceFor("redis");
const database = await serviceFor("postgres");
const url = service.settings?.REDIS_URL ?? "";
const run = `stores${process.pid}${Date.now().toString(36)}`;
const folder = mkdtempSync(join(tmpdir(), "funboost-stores-"));
// A process has one connection for each file: a second copy of the modules stands for a second process.
vi.resetModules();
const { sqliteStore: sqliteElsewhere } = await import("../../adapters/sqlite/store.ts");
let counter = 0;

/** Answers what opens stores on keys of their own; the second one that it opens has another connection than the first. */
type Place = () => (index: number) => Store;

const memory: Place = () => {
  const store = memoryStore();
  return () => store;
};
const sqlite: Place = () => {
  const file = join(folder, `${counter++}.db`);
  return (index) => (index % 2 ? sqliteElsewhere : sqliteStore)({ file });
};
const redis: Place = () => {
  const prefix = `${run}:${counter++}:`;
  return () => redisStore({ url, prefix });
};
const postgres: Place = () => {
  const schema = `${run}_${counter++}`;
  return () => postgresStore({ url: database.settings?.POSTGRES_URL, schema });
};

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  if (url) await deleteKeys();
  if (database.settings?.POSTGRES_URL) await dropSchemas(database.settings.POSTGRES_URL, run);
  await service.stop();
  await database.stop();
});

async function deleteKeys(): Promise<void> {
  const client = new Redis(url);
  const keys = await client.keys(`${run}*`);
  if (keys.length > 0) await client.del(...keys);
  client.disconnect();
}

function describeStore(place: Place, is: Pick<Store, "name" | "scope" | "durable">): void {
  describe(`the ${is.name} store`, () => {
    it(`is ${is.durable ? "" : "not "}durable, and seen by: ${is.scope}`, () => expect(place()(0)).toMatchObject(is));
    for (const [sentence, check] of Object.entries(storeCases)) {
      it(sentence, async () => {
        const at = place();
        const opened: Store[] = [];
        const open = async () => {
          const store = at(opened.length);
          opened.push(store);
          await store.get(["connected"]); // so that opening takes no time of the case's
          return store;
        };
        try {
          await check({ store: await open(), other: await open(), open });
        } finally {
          for (const store of opened) await store.close();
        }
      }, 60_000);
    }
  });
}

describeStore(memory, { name: "memory", scope: "process", durable: false });
describeStore(sqlite, { name: "sqlite", scope: "host", durable: true });

for (const [server, place, name] of [
  [service, redis, "redis"],
  [database, postgres, "postgres"],
] as const) {
  if (server.unavailable === undefined) {
    describeStore(place, { name, scope: "shared", durable: true });
    continue;
  }
  // A skip that shows; a failure where REQUIRED_SERVICES names the service.
  const required = (process.env.REQUIRED_SERVICES ?? "").split(",").includes(server.name);
  it.skipIf(!required)(`the ${name} store: no ${server.name} here: ${server.unavailable}`, () => {
    throw new Error(`REQUIRED_SERVICES names ${server.name}: ${server.unavailable}`);
  });
}
