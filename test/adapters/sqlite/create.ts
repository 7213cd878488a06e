/** How the conformance kit makes a SQLite broker: on the file that it names, else on a fresh one. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sqlite } from "../../../adapters/sqlite/broker.ts";
import type { Broker } from "../../../src/contract/index.ts";

export function create(settings: Readonly<Record<string, string>> = {}): Broker {
  const file = settings.file ?? process.env.FUNBOOST_TEST_SQLITE_FILE;
  return sqlite({ file: file ?? join(mkdtempSync(join(tmpdir(), "funboost-sqlite-")), "queue.db") });
}

export const warm = (): Promise<unknown> => import("libsql");
