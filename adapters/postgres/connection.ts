/** How the PostgreSQL store is connected, and the errors of its server in our words. */
import type { Socket } from "node:net";
import { FunboostError, isFunboostError } from "../../src/base/errors.ts";
import { maskSecrets } from "../../src/base/mask-secrets.ts";
import { missingPeer } from "../shared/missing-peer.ts";
import { usePeer } from "../shared/peer.ts";
import { giveUpWhenSilent } from "../shared/silence.ts";

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
const connectTimeoutMs = 4_000;
const answerTimeoutMs = 10_000;
const patienceSeconds = 6;

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
  pool.on("connect", watch);
  return pool;
}

async function load() {
  try {
    return usePeer("postgres", "pg", await import("pg"), "Pool");
  } catch (cause) {
    throw missingPeer("postgres", "pg", cause);
  }
}

/** One that listens does not notice by itself that its server is gone. */
function watch(client: PgClient): void {
  client.on("error", () => {}); // each call reports its own
  giveUpWhenSilent(client.connection.stream, {
    ping: () => void (client.readyForQuery && client.query("select 1").catch(() => {})),
    patience: () => patienceSeconds,
  });
}

/** For messages. A password may stand in the query too, or hold characters that no URL may have. */
export const withoutSecrets = (url: string): string => url.replace(/\/\/.*@/s, "//***@").replace(/\?.*/s, "");

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

/** Others stay as they are. */
export function explainPostgres(error: unknown, address: string): Error {
  if (isFunboostError(error)) return error;
  const { code = "", message = String(error) } = error as { code?: string; message?: string };
  const text = maskSecrets(message || String(code));
  const cause = Object.assign(new Error(text), { code });
  if (refusals.test(code) || /certificate|self-signed|SSL|password must be a string/i.test(text)) {
    const why = `PostgreSQL at ${address} refuses: ${text}. Check user, password, database and permissions.`;
    return new FunboostError("BROKER_REFUSED", why, { where: "postgres", cause });
  }
  if (outages.test(code) || unreachable.test(`${code} ${text}`)) {
    const why = `PostgreSQL at ${address} cannot be used now: ${text}. Is it up, and is the address right?`;
    return new FunboostError("BROKER_DOWN", why, { where: "postgres", cause });
  }
  return error instanceof Error ? error : cause;
}
