/** How the PostgreSQL store is connected, and the errors of its server in our words. */
import type { Socket } from "node:net";
import { missingPeer } from "../shared/missing-peer.ts";
import { usePeer } from "../shared/peer.ts";
import { answerTimeoutMs, connectTimeoutMs, explainPgError, watchPgClient } from "../shared/postgres-client.ts";

/** What a pool of `pg` must be able to do. */
export interface PgPool {
  query(text: string, values?: readonly unknown[]): Promise<PgRows>;
  connect(): Promise<PgClient>;
  on(event: string, listener: (client: PgClient) => void): unknown;
  end(): Promise<void>;
}

export interface PgRows {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly rowCount: number | null;
}

export interface PgClient extends Pick<PgPool, "query"> {
  unref(): void;
  readonly connection: { readonly stream: Socket };
  /** Has nothing to do. */
  readonly readyForQuery: boolean;
  escapeLiteral(text: string): string;
  on(event: string, listener: (said: PgNotice) => void): unknown;
  removeListener(event: string, listener: (said: PgNotice) => void): unknown;
  release(broken?: Error | boolean): void;
}

export interface PgNotice {
  readonly channel?: string;
  readonly payload?: string;
}

export const defaultUrl = "postgres://127.0.0.1:5432/postgres";
/** One for calls, one that listens; the schema is made over the first. */
const connections = 2;

export async function openPool(url: string): Promise<PgPool> {
  const { Pool } = await load();
  const pool = new Pool({
    connectionString: url,
    max: connections,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: answerTimeoutMs,
    allowExitOnIdle: true,
    keepAlive: true,
  });
  pool.on("error", () => {}); // each call reports its own
  pool.on("acquire", (client) => client.unref());
  pool.on("connect", watchPgClient);
  return pool;
}

async function load() {
  try {
    return usePeer("postgres", "pg", await import("pg"), "Pool");
  } catch (cause) {
    throw missingPeer("postgres", "pg", cause);
  }
}

/** Wrong password, role, database, permission, function, schema. */
const refusals = /^(28|3D|42501|42883|0A|3F)/;
const outages = /^(08|53|57P|58|25006)/;
const unreachable = new RegExp(
  [
    "ECONN|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EPIPE|EHOSTUNREACH|ENETUNREACH|ENOENT",
    "terminat|timeout|timed out|not queryable|client was closed|after calling end",
  ].join("|"),
  "i",
);

const advice = "Check user, password, database and permissions";

export const explainPostgres = (error: unknown, address: string): Error =>
  explainPgError(error, { where: "postgres", address, refusals, outages, unreachable, advice });
