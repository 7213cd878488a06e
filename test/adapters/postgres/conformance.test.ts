/** PostgreSQL as the store of what meets no engine: messages are carried in a file. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { describeBroker } from "../../conformance/index.ts";
import { dropSchemas } from "../../support/drop-schemas.ts";
import { serviceFor } from "../../support/services.ts";

const folder = mkdtempSync(join(tmpdir(), "funboost-kit-"));
const schema = `kit${process.pid}${Date.now().toString(36)}`;
const service = await serviceFor("postgres");
afterAll(async () => {
  if (service.settings?.POSTGRES_URL) await dropSchemas(service.settings.POSTGRES_URL, schema);
  await service.stop();
  rmSync(folder, { recursive: true, force: true });
});

describeBroker({
  name: "postgres store",
  create: new URL("../bare/create.ts", import.meta.url),
  settings: { store: "postgres", schema, engine: join(folder, "queue.db") },
  service,
  storeOnly: true,
});
