/** Emulated features run the cases of native ones: a broker that has none, over each store. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { describeBroker } from "../../conformance/index.ts";
import { serviceFor } from "../../support/services.ts";

const folder = mkdtempSync(join(tmpdir(), "funboost-kit-"));
const service = await serviceFor("redis");
afterAll(async () => {
  await service.stop();
  rmSync(folder, { recursive: true, force: true });
});

const create = new URL("./create.ts", import.meta.url);
describeBroker({ name: "bare over memory", create, settings: { store: "memory" } });
describeBroker({ name: "bare over sqlite", create, settings: { store: "sqlite", file: join(folder, "store.db") } });
describeBroker({
  name: "bare on sqlite over sqlite",
  create,
  settings: { store: "sqlite", file: join(folder, "both.db"), engine: join(folder, "both.db") },
});
describeBroker({ name: "bare over redis", create, settings: { store: "redis" }, service });
