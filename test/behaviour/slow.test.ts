/** Crashes and long runs at the library's own lease, on every durable engine side by side: a minute and a half in all. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, vi } from "vitest";
import { describeBroker } from "../conformance/index.ts";
import { chosenEngines } from "../support/engines.ts";
import { serviceFor } from "../support/services.ts";

const folder = mkdtempSync(join(tmpdir(), "funboost-slow-"));
// They wait, they do not work: all at once.
vi.setConfig({ maxConcurrency: 64 });

const chosen = chosenEngines();
const servers = [...new Set(chosen.map(([, { server }]) => server))];
const services = await Promise.all(servers.map((server) => serviceFor(server)));
afterAll(async () => {
  await Promise.all(services.map((service) => service.stop()));
  rmSync(folder, { recursive: true, force: true });
});

if ((process.env.FUNBOOST_TEST_ENGINES ?? "sqlite").split(",").includes("sqlite")) {
  const create = new URL("../adapters/sqlite/create.ts", import.meta.url);
  describeBroker({ name: "sqlite", create, settings: { file: join(folder, "queue.db") }, slow: true });
}

for (const [name, { server }] of chosen) {
  const service = services[servers.indexOf(server)];
  if (!service) continue;
  const settings = { engine: name, storeFile: join(folder, `${name}.db`) };
  describeBroker({ name, create: new URL("../support/engines.ts", import.meta.url), settings, service, slow: true });
}
