/** Messages as rows of the SQLite broker's table, and rows as deliveries. */
import { isUtf8 } from "node:buffer";
import { bodyText } from "../../src/base/json.ts";
import type { Delivery, Message } from "../../src/contract/index.ts";
import { aheadRank } from "./sql.ts";
import { batchSize } from "./writer.ts";

/** Most text in one transaction: large bodies would block the event loop for long. */
export const batchChars = 1_000_000;

/** Cuts a list of rows into transactions. */
export function* batches(
  messages: readonly Message[],
  idOf: (message: Message) => string,
): Generator<readonly NewRow[]> {
  let rows: NewRow[] = [];
  let chars = 0;
  for (const message of messages) {
    const row = newRow(message, idOf(message));
    rows.push(row);
    chars += row[5].length;
    if (rows.length < batchSize && chars < batchChars) continue;
    yield rows;
    rows = [];
    chars = 0;
  }
  if (rows.length > 0) yield rows;
}

/** Where a delivery is: its place, and the lease under which it is ours. */
export interface RowKey {
  readonly ord: number;
  readonly owner: number;
}

export interface SqliteDelivery extends Delivery {
  readonly native: RowKey;
}

/** id, rank, delay, attempt, publish time, body. */
export type NewRow = readonly [string, number, number, number, number | null, string];

function newRow(message: Message, id: string): NewRow {
  const { body, delayMs = 0, priority = 0, ahead = false, attempt = 1, publishedAt = null } = message;
  return [
    id,
    ahead ? aheadRank : priority,
    Math.ceil(delayMs),
    attempt,
    publishedAt,
    typeof body === "string" ? body : bodyText(body),
  ];
}

export type ReadyRow = readonly [
  ord: number,
  id: string,
  rank: number,
  attempt: number,
  crashes: number,
  publishedAt: number,
  body: string | null,
];

export function toDelivery(
  [ord, id, rank, attempt, crashes, publishedAt, body]: ReadyRow,
  owner: number,
): SqliteDelivery {
  return { id, body, attempt, crashes, ahead: rank === aheadRank, publishedAt, native: { ord, owner } };
}

/** A body by its bytes; where it is no text, as SQLite writes them. */
export function bodyFrom(type: string, hex: string): Pick<Delivery, "body" | "unreadable"> {
  const bytes = Buffer.from(hex, "hex");
  if (type === "text" && isUtf8(bytes)) return { body: bytes.toString() };
  const what = type === "text" ? "a text that is no UTF-8" : `a ${type.toUpperCase()}, no text`;
  return { body: `X'${hex}'`, unreadable: `the row's body is ${what}. Needed: JSON text in UTF-8.` };
}
