/** The server of each engine, or of its store, is killed in mid-work, and started again over its data. All side by side. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, vi } from "vitest";
import { describeBroker } from "../conformance/index.ts";
import { chosenEngines, isChosen } from "../support/engines.ts";
import { type RunningService, serviceFor, startPrivate } from "../support/services.ts";

const folder = mkdtempSync(join(tmpdir(), "funboost-restart-"));
// They wait more than they work: all at once.
vi.setConfig({ maxConcurrency: 64 });

const chosen = chosenEngines();
const services = await Promise.all(chosen.map(([, { server }]) => startPrivate(server, { durable: true })));
afterAll(async () => {
  await Promise.all(services.map((service) => service.stop()));
  rmSync(folder, { recursive: true, force: true });
});

for (const [i, [name, { scale = 1, lateMs = 100 }]] of chosen.entries()) {
  const service = services[i];
  if (!service) continue;
  describeBroker({
    name,
    create: new URL("../support/engines.ts", import.meta.url),
    settings: { engine: name, storeFile: join(folder, `${name}.db`) },
    service,
    server: { kill: service.kill, restart: service.restart },
    leaseMs: 2_000,
    scale,
    lateMs,
  });
}

// The store on a Redis of its own, the broker elsewhere: in the process, in a file, on another server.
const temporal = chosen.find(([name]) => name === "temporal");
const others = temporal && (await serviceFor("temporal", { direct: true }));
afterAll(() => others?.stop());
const { scale = 1, lateMs = 100 } = temporal?.[1] ?? {};
const onStores = [
  ...["memory", "sqlite", "bare on sqlite"].filter(isChosen).map((name) => ({ name })),
  ...(others ? [{ name: "temporal", scale, lateMs, of: others }] : []),
] as { readonly name: string; readonly scale?: number; readonly lateMs?: number; readonly of?: RunningService }[];
const stores = await Promise.all(onStores.map(() => startPrivate("redis", { durable: true })));
afterAll(() => Promise.all(stores.map((store) => store.stop())));

for (const [i, { name, of, ...rest }] of onStores.entries()) {
  const store = stores[i];
  if (!store) continue;
  const { REDIS_URL: storeUrl = "" } = store.settings ?? {};
  const unavailable = store.unavailable ?? of?.unavailable;
  describeBroker({
    ...rest,
    name: `${name}, its store on redis`,
    create: new URL("../support/engines.ts", import.meta.url),
    settings: { ...of?.settings, engine: name, file: join(folder, `${name}.queue.db`), storeUrl },
    service: { name: "redis", ...(unavailable === undefined ? {} : { unavailable }) },
    storeServer: { kill: store.kill, restart: store.restart },
    leaseMs: 2_000,
  });
}
