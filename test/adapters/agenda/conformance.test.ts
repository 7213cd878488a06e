/** Agenda on each of its backends. The stores are what users would set: the same Redis, else a file beside the backend. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { describeBroker } from "../../conformance/index.ts";
import { type RunningService, serviceFor } from "../../support/services.ts";

const create = new URL("./create.ts", import.meta.url);
const foreign = new URL("./foreign.ts", import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "funboost-agenda-"));
const run = `k${process.pid}${Date.now().toString(36)}`;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A run's own names on a server that others use too. */
function onServer(service: RunningService, variable: string, settings: Readonly<Record<string, string>>) {
  const { disrupt, settings: given, ...rest } = service;
  afterAll(() => service.stop());
  const url = given?.[variable] ?? "";
  return { service: { ...rest, settings: { url, ...settings } }, ...(disrupt ? { disrupt } : {}) };
}

const [postgres, redis, mongodb] = await Promise.all([
  serviceFor("postgres"),
  serviceFor("redis"),
  serviceFor("mongodb"),
]);

describeBroker({
  name: "agenda-postgres",
  create,
  foreign,
  ...onServer(postgres, "POSTGRES_URL", { collection: run, storeFile: join(folder, "postgres.db") }),
});

describeBroker({
  name: "agenda-redis",
  create,
  foreign,
  ...onServer(redis, "REDIS_URL", { collection: `${run}:agenda:`, storePrefix: `${run}:funboost:` }),
});

// mongo-java-server stands in for MongoDB, and takes some hundred messages a second; a MongoDB of your own by MONGODB_URL.
describeBroker({
  name: "agenda-mongo",
  create,
  foreign,
  scale: 0.2,
  lateMs: 2_000,
  patienceMs: 60_000,
  ...onServer(mongodb, "MONGODB_URL", { collection: run, storeFile: join(folder, "mongo.db") }),
});
