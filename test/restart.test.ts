/** The server of each engine is killed in mid-work, and started again over its data. All engines side by side. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, vi } from "vitest";
import { describeBroker } from "./conformance/index.ts";
import { chosenEngines } from "./support/engines.ts";
import { startPrivate } from "./support/services.ts";

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
    create: new URL("./support/engines.ts", import.meta.url),
    settings: { engine: name, storeFile: join(folder, `${name}.db`) },
    service,
    server: { kill: service.kill, restart: service.restart },
    leaseMs: 2_000,
    scale,
    lateMs,
  });
}
