/** The driver, loaded late, for broker and store. */
import { missingPeer } from "../shared/missing-peer.ts";
import type { SqliteDriver } from "./file.ts";

export async function loadDriver(): Promise<SqliteDriver> {
  try {
    return (await import("libsql")).default as unknown as SqliteDriver;
  } catch (cause) {
    throw missingPeer("sqlite", "libsql", cause);
  }
}
