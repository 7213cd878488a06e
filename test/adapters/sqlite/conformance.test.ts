/** SQLite as a broker, and as the store of what meets no engine. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { describeBroker } from "../../conformance/index.ts";

const folder = mkdtempSync(join(tmpdir(), "funboost-kit-"));
process.env.FUNBOOST_TEST_SQLITE_FILE = join(folder, "queue.db");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describeBroker({ name: "sqlite", create: new URL("./create.ts", import.meta.url) });
describeBroker({
  name: "sqlite store",
  create: new URL("../bare/create.ts", import.meta.url),
  settings: { store: "sqlite", file: join(folder, "store.db"), engine: join(folder, "store.db") },
  storeOnly: true,
});
