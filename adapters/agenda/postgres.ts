/** Agenda's PostgreSQL backend: how it is connected, and its errors in our words. */

import type { PostgresBackend } from "@agendajs/postgres-backend";
import type { AgendaBackend } from "agenda";
import { clock, within } from "../../src/base/clock.ts";
import { missingPeer } from "../shared/missing-peer.ts";
import { usePeer } from "../shared/peer.ts";
import { answerTimeoutMs, connectTimeoutMs, explainPgError, watchPgClient } from "../shared/postgres-client.ts";
import { withoutSecrets } from "../shared/urls.ts";
import { inTurn } from "./in-turn.ts";
import type { AgendaLink } from "./link.ts";
import { createPostgresTable, type Pool, type PoolClient } from "./postgres-table.ts";
import { unreadableUrl } from "./urls.ts";

const defaultUrl = "postgres://127.0.0.1:5432/postgres";
/** After its connection has ended; its user is told at once. */
const giveBackMs = 1_000;
/** The pool waits for its queries to end, of which one may hang. */
const closeMs = 2_000;
/** One of them listens. A server allows 100 by default, for all processes. */
const connections = 4;

/** Opens a pool of its own. */
export async function connectPostgres(url: string | undefined, tableName: string | undefined): Promise<AgendaLink> {
  const { PostgresBackend: Backend } = await load();
  const connectionString = url || defaultUrl;
  const poolConfig = {
    connectionString,
    max: connections,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: answerTimeoutMs,
    idleTimeoutMillis: 2_000,
    allowExitOnIdle: true,
    keepAlive: true,
  };
  const own = { ...(tableName === undefined ? {} : { tableName }) };
  // Its own way of making the table locks it at each start, and fails where two processes start together.
  const backend = new Backend({ poolConfig, ...own, ensureSchema: false });
  const pool = poolOf(backend) as Pool;
  pool.query = inTurn({ most: connections - 1, patienceMs: answerTimeoutMs }, pool.query.bind(pool));
  pool.on("error", () => {}); // each call reports its own
  pool.on("acquire", (client) => client.unref());
  pool.on("connect", watch);
  const explain = createExplain(withoutSecrets(connectionString));
  try {
    await backend.connect();
    await createTable(pool, tableName ?? defaultTable, () => new Backend({ pool: pool as never, ...own }).connect());
  } catch (error) {
    await backend.disconnect().catch(() => {});
    throw explain(error);
  }
  return link(
    backend,
    pool,
    tableName ?? defaultTable,
    explain,
    async () => void (await within(backend.disconnect(), closeMs)),
  );
}

function watch(client: PoolClient): void {
  watchPgClient(client);
  client.on("end", () => void clock.after(giveBackMs, () => giveBack(client), { unref: true }));
}

/** Agenda keeps a connection that broke before it could listen on it: with a few of them the pool has no other left. */
function giveBack(client: PoolClient): void {
  try {
    client.release(true);
  } catch {} // as it should be: whoever had it has given it back
}

/** Takes a backend of the user's, which is never closed. */
export async function adoptPostgres(backend: AgendaBackend): Promise<AgendaLink> {
  const explain = createExplain("the given backend");
  await backend.connect().catch((error: unknown) => Promise.reject(explain(error)));
  return link(backend, poolOf(backend) as Pool, tableOf(backend), explain, async () => {});
}

const tableOf = (backend: AgendaBackend) =>
  (backend.repository as unknown as { tableName?: string }).tableName ?? defaultTable;

/** Undefined: not a backend of this kind. */
export function poolOf(backend: AgendaBackend): Pool | undefined {
  return (backend.repository as unknown as { getPool?(): Pool }).getPool?.();
}

const defaultTable = "agenda_jobs";

export function postgresAddress(url: string | undefined): string {
  return withoutSecrets(url || defaultUrl);
}

async function load(): Promise<{ readonly PostgresBackend: typeof PostgresBackend }> {
  try {
    return usePeer(
      "agenda",
      "@agendajs/postgres-backend",
      await import("@agendajs/postgres-backend"),
      "PostgresBackend",
    );
  } catch (cause) {
    throw missingPeer("agenda", "@agendajs/postgres-backend", cause);
  }
}

function link(
  backend: AgendaBackend,
  pool: Pool,
  table: string,
  explain: (error: unknown) => Error,
  close: () => Promise<void>,
): AgendaLink {
  return {
    engine: "PostgreSQL",
    backend,
    lookahead: 50,
    loadsOneByOne: false,
    keepsFailed: true,
    table: createPostgresTable(pool, `"${table.replaceAll('"', '""')}"`),
    call: (work) => work().catch((error: unknown) => Promise.reject(explain(error))),
    close,
  };
}

/** Only where it is missing or old; one process at a time. */
async function createTable(pool: Pool, table: string, create: () => Promise<void>): Promise<void> {
  const isThere = async () => {
    const { rows } = await pool.query(
      "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = 'skip_days'",
      [`"${table.replaceAll('"', '""')}"`],
    );
    return rows.length > 0;
  };
  if (await isThere()) return;
  const client = await pool.connect();
  try {
    await client.query("SELECT pg_advisory_lock(hashtext($1))", [`funboost agenda ${table}`]);
    if (!(await isThere())) await create();
  } finally {
    await client.query("SELECT pg_advisory_unlock(hashtext($1))", [`funboost agenda ${table}`]).catch(() => {});
    client.release();
  }
}

/** Wrong password, role, database, permission, certificate, table. */
const refusals = /^(28|3D|42501|42P01|42703|0A|3F)/;
const outages = /^(08|53|57P|58)/;
const unreachable = new RegExp(
  [
    "ECONN|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EPIPE|EHOSTUNREACH|ENETUNREACH|ENOENT",
    "terminat|timeout|not queryable|client was closed",
  ].join("|"),
  "i",
);

function createExplain(address: string) {
  const advice = "Check user, password, database and permissions in the url";
  const known = { where: "agenda", address, refusals, outages, unreachable, advice };
  return (error: unknown): Error => unreadableUrl(error) ?? explainPgError(error, known);
}
