/** What all who use `pg` share: a watch over a connection, errors in our words. */
import type { Socket } from "node:net";
import { FunboostError, isFunboostError } from "../../src/base/errors.ts";
import { maskSecrets } from "../../src/base/mask-secrets.ts";
import { giveUpWhenSilent } from "./silence.ts";

export const connectTimeoutMs = 4_000;
export const answerTimeoutMs = 10_000;
/** With a query that does not answer yet. */
const patienceSeconds = 6;

export interface WatchedPgClient {
  readonly connection: { readonly stream: Socket };
  /** Has nothing to do. */
  readonly readyForQuery: boolean;
  query(text: string): Promise<unknown>;
  on(event: "error", listener: () => void): unknown;
}

/** One that listens does not notice by itself that its server is gone; a query fails sooner than by its timeout. */
export function watchPgClient(client: WatchedPgClient): void {
  client.on("error", () => {}); // each call reports its own
  giveUpWhenSilent(client.connection.stream, {
    ping: () => void (client.readyForQuery && client.query("SELECT 1").catch(() => {})),
    patience: () => patienceSeconds,
  });
}

export interface PgErrors {
  /** In front of the message. */
  readonly where: string;
  readonly address: string;
  /** Codes of a wrong password, role, database, permission, and of what else nobody can wait for. */
  readonly refusals: RegExp;
  readonly outages: RegExp;
  /** Of the client, which has no codes of the server's. */
  readonly unreachable: RegExp;
  /** What to look at, where it was refused. */
  readonly advice: string;
}

/** Others stay as they are. */
export function explainPgError(error: unknown, { where, address, ...known }: PgErrors): Error {
  if (isFunboostError(error)) return error;
  const { code = "", message = String(error) } = error as { code?: string; message?: string };
  const text = maskSecrets(message || String(code));
  const cause = Object.assign(new Error(text), { code });
  if (known.refusals.test(code) || /certificate|self-signed|SSL|password must be a string/i.test(text)) {
    const why = `PostgreSQL at ${address} refuses: ${text}. ${known.advice}.`;
    return new FunboostError("BROKER_REFUSED", why, { where, cause });
  }
  if (known.outages.test(code) || known.unreachable.test(`${code} ${text}`)) {
    const why = `PostgreSQL at ${address} cannot be used now: ${text}. Is it up, and is the address right?`;
    return new FunboostError("BROKER_DOWN", why, { where, cause });
  }
  return error instanceof Error ? error : cause;
}
