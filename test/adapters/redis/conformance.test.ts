/** Redis as the store of what meets no engine: messages are carried in a file. */
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

describeBroker({
  name: "redis store",
  create: new URL("../bare/create.ts", import.meta.url),
  settings: { store: "redis", engine: join(folder, "queue.db") },
  service,
  storeOnly: true,
});
