/** What the SQLite broker says to its file: tables, statements, and what they mean for one queue. All of it runs inside a transaction of the caller's. */
import type { Counts, Delivery, Message, MessageState } from "../../src/contract/index.ts";
import type { SettledDelivery } from "../shared/poll.ts";
import { jsonText, type SqliteFile } from "./file.ts";
import { batchSize } from "./writer.ts";

/**
 * A message waits (owner 0, due 0), is delayed (owner 0, due later) or runs (owner above 0). `ord` is its place: rowids grow with each
 * publish, those of `ahead` go below zero. A lease belongs to a consumer, not to each message: renewing it is one row.
 */
const schema = `
create table if not exists funboost_queue (queue integer primary key, name text not null unique, paused integer not null default 0);
create table if not exists funboost_consumer (owner integer primary key autoincrement, queue integer not null, lease_until integer not null);
create table if not exists funboost_message (
  ord integer primary key,
  queue integer not null,
  id text not null,
  rank integer not null,
  owner integer not null default 0,
  due integer not null,
  attempt integer not null,
  crashes integer not null default 0,
  published_at integer not null,
  body text not null
);
create unique index if not exists funboost_message_id on funboost_message (queue, id);
create index if not exists funboost_message_ready on funboost_message (queue, rank desc) where owner = 0 and due = 0;
create index if not exists funboost_message_delayed on funboost_message (queue, due) where owner = 0 and due > 0;
create index if not exists funboost_message_running on funboost_message (queue, owner) where owner > 0;
`;

export const part = { name: "broker", version: 1, schema };

/** The file's clock, not JavaScript's: a process whose clock jumps steals no lease and runs nothing early. */
const nowMs = "cast(unixepoch('subsec') * 1000 as integer)";
/** Above all priorities. */
const aheadRank = 1_000_000;
const waits = "queue = ? and owner = 0 and due = 0";
const delayed = "queue = ? and owner = 0 and due > 0";
const listed = "(select value from json_each(?))";
const row = (n: number) => `value ->> '$[${n}]'`;

const sql = {
  queue: "select queue as n from funboost_queue where name = ?",
  addQueue: "insert into funboost_queue (name) values (?) on conflict (name) do nothing",
  paused: "select paused as n from funboost_queue where queue = ?",
  setPaused: "update funboost_queue set paused = ? where queue = ?",
  lowest: "select min(0, coalesce(min(ord), 0)) as n from funboost_message",
  // The first parameter is the lowest place so far: each message ahead goes below it, last in first out.
  insert: `insert into funboost_message (ord, queue, id, rank, due, attempt, published_at, body)
    select case when ${row(1)} = ${aheadRank} then ? - 1 - key end, ?, ${row(0)}, ${row(1)}, iif(${row(2)} > 0, ${nowMs} + ${row(2)}, 0), ${row(3)}, coalesce(${row(4)}, ${nowMs}), ${row(5)}
    from json_each(?) where true on conflict (queue, id) do nothing`,
  exists: `select exists (select 1 from funboost_message where ${waits}) as n`,
  nextDue: `select min(due) - ${nowMs} as n from funboost_message where ${delayed}`,
  promote: `update funboost_message set due = 0, ord = moved.place
    from (select ord as was, (select max(0, max(ord)) from funboost_message) + row_number() over (order by due, ord) as place
      from (select ord, due from funboost_message where ${delayed} and due <= ${nowMs} order by due, ord limit ?)) as moved
    where funboost_message.ord = moved.was`,
  ready: `select json_group_array(json_array(ord, id, rank, attempt, crashes, published_at, body)) as j
    from (select * from funboost_message where ${waits} order by rank desc, ord limit ?)`,
  bytes: `select sum(bytes) as n from (select octet_length(body) as bytes from funboost_message where ${waits} order by rank desc, ord limit ?)`,
  peek: `select json_group_array(json_array(id, body)) as j from (select id, body from funboost_message where ${waits} order by rank desc, ord limit ?)`,
  claim: `update funboost_message set owner = ? where ord in ${listed}`,
  alive: "select exists (select 1 from funboost_consumer where owner = ?) as n",
  addOwner: `insert into funboost_consumer (queue, lease_until) values (?, ${nowMs} + ?)`,
  newest: "select max(owner) as n from funboost_consumer",
  renew: `update funboost_consumer set lease_until = ${nowMs} + ? where owner = ?`,
  removeOwner: "delete from funboost_consumer where owner = ?",
  remove: `delete from funboost_message where ord in ${listed} and owner = ?`,
  giveBack: `update funboost_message set owner = 0 where ord in ${listed} and owner = ?`,
  again: `update funboost_message set owner = 0, attempt = attempt + ?, due = ${nowMs} + ? where ord = ? and owner = ?`,
  expired: `select json_group_array(owner) as j from funboost_consumer where queue = ? and lease_until <= ${nowMs}`,
  rescue: "update funboost_message set owner = 0, crashes = crashes + 1 where queue = ? and owner = ?",
  counts: `select (select count(*) from funboost_message where ${waits}) as ready, (select count(*) from funboost_message where ${delayed} and due <= ${nowMs}) as due,
    (select count(*) from funboost_message where ${delayed} and due > ${nowMs}) as delayed, (select count(*) from funboost_message where queue = ? and owner > 0) as running`,
  top: "select max(ord) as n from funboost_message",
  clearWaiting: `delete from funboost_message where ord in (select ord from funboost_message where ${waits} and ord <= ? limit ?)`,
  clearDelayed: `delete from funboost_message where ord in (select ord from funboost_message where ${delayed} and ord <= ? limit ?)`,
  waitingIds: `select json_group_array(id) as j from funboost_message where queue = ? and owner = 0 and id in ${listed}`,
  cancel: `delete from funboost_message where queue = ? and owner = 0 and id in ${listed}`,
  state: `select case when owner > 0 then 'running' when due > ${nowMs} then 'delayed' else 'waiting' end as state from funboost_message where queue = ? and id = ?`,
  reschedule: `update funboost_message set due = ${nowMs} + ? where queue = ? and id = ? and owner = 0`,
};

/** Most text in one transaction: large bodies would block the event loop for long. */
const batchChars = 1_000_000;

/** Cuts a list of rows into transactions. */
export function* batches(
  messages: readonly Message[],
  idOf: (message: Message) => string,
): Generator<readonly NewRow[]> {
  let rows: NewRow[] = [];
  let chars = 0;
  for (const message of messages) {
    const made = newRow(message, idOf(message));
    rows.push(made);
    chars += made[5].length;
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
    typeof body === "string" ? body : JSON.stringify(body),
  ];
}

const number = (file: SqliteFile, text: string, values: readonly (string | number)[] = []) =>
  file.get<{ n: number | null }>(text, values)?.n ?? undefined;

/** The number of a queue, made at its first use. */
export function queueNumber(file: SqliteFile, name: string): number {
  file.run(sql.addQueue, [name]);
  return number(file, sql.queue, [name]) as number;
}

export type QueueSql = ReturnType<typeof queueSql>;

/** The operations of one queue. */
export function queueSql(file: SqliteFile, queue: number) {
  const isPaused = () => number(file, sql.paused, [queue]) === 1;
  const nextDueMs = () => number(file, sql.nextDue, [queue]);
  return {
    isPaused,
    nextDueMs,
    setPaused: (paused: boolean) => file.run(sql.setPaused, [paused ? 1 : 0, queue]),
    /** Cheap, and without the write lock. */
    hasWork: () => !isPaused() && (number(file, sql.exists, [queue]) === 1 || (nextDueMs() ?? 1) <= 0),
    insert: (rows: readonly NewRow[]) => insertRows(file, queue, rows),
    /** Takes up to `take` for `owner`. */
    claim(owner: number, take: number): { readonly deliveries: readonly SqliteDelivery[]; readonly more: boolean } {
      if ((nextDueMs() ?? 1) <= 0) file.run(sql.promote, [queue, take]);
      let fits = take;
      while (fits > 1 && (number(file, sql.bytes, [queue, fits]) ?? 0) > batchChars) fits = Math.ceil(fits / 2);
      const rows = file.json<readonly ReadyRow[]>(sql.ready, [queue, fits]);
      if (rows.length > 0) file.run(sql.claim, [owner, JSON.stringify(rows.map(([ord]) => ord))]);
      return { deliveries: rows.map((each) => delivery(each, owner)), more: rows.length === fits };
    },
    settle: (owner: number, ended: readonly Ended[]) => settle(file, owner, ended),
    ...leases(file, queue),
    ...controls(file, queue),
  };
}

function leases(file: SqliteFile, queue: number) {
  const renew = (owner: number, leaseMs: number) => file.run(sql.renew, [leaseMs, owner]) === 1;
  return {
    renew,
    /** The owner under which this consumer may claim: the one it had, while nobody has declared it dead. */
    lease(owner: number | undefined, leaseMs: number): number {
      if (owner !== undefined && renew(owner, leaseMs)) return owner;
      file.run(sql.addOwner, [queue, leaseMs]);
      return number(file, sql.newest) as number;
    },
    removeOwner: (owner: number) => file.run(sql.removeOwner, [owner]),
    isAlive: (owner: number) => number(file, sql.alive, [owner]) === 1,
    /** Gives back what expired leases held, at its old place; answers whether there was any. */
    rescue(): boolean {
      const owners = file.json<readonly number[]>(sql.expired, [queue]);
      for (const owner of owners) {
        file.run(sql.rescue, [queue, owner]);
        file.run(sql.removeOwner, [owner]);
      }
      return owners.length > 0;
    },
  };
}

function controls(file: SqliteFile, queue: number) {
  return {
    counts(): Counts {
      const { ready, due, delayed, running } = file.get<Required<Counts> & { due: number }>(sql.counts, [
        queue,
        queue,
        queue,
        queue,
      ]) as Required<Counts> & {
        due: number;
      };
      return { ready: ready + due, delayed, running };
    },
    peek(n: number) {
      file.run(sql.promote, [queue, n]);
      return file
        .json<readonly (readonly [string, string])[]>(sql.peek, [queue, n])
        .map(([id, body]) => ({ id, body }));
    },
    top: () => number(file, sql.top) ?? 0,
    /** Removes at most twice `limit` of those that were there when `top` was read. */
    clear: (top: number, limit: number) =>
      file.run(sql.clearWaiting, [queue, top, limit]) + file.run(sql.clearDelayed, [queue, top, limit]),
    cancel(ids: readonly string[]): readonly string[] {
      const waiting = file.json<readonly string[]>(sql.waitingIds, [queue, jsonText(ids)]);
      if (waiting.length > 0) file.run(sql.cancel, [queue, jsonText(waiting)]);
      return waiting;
    },
    state: (id: string): MessageState => file.get<{ state: MessageState }>(sql.state, [queue, id])?.state ?? "unknown",
    reschedule: (id: string, delayMs: number) => file.run(sql.reschedule, [Math.ceil(delayMs), queue, id]) === 1,
  };
}

/** Answers for each row whether it was new. */
function insertRows(file: SqliteFile, queue: number, rows: readonly NewRow[]): readonly boolean[] {
  const insert = (some: readonly NewRow[]) => {
    const base = some.some(([, rank]) => rank === aheadRank) ? (number(file, sql.lowest) ?? 0) : 0;
    return file.run(sql.insert, [base, queue, jsonText(some)]);
  };
  if (rows.length === 1) return [insert(rows) === 1];
  file.run("savepoint rows");
  let fresh: readonly boolean[] = rows.map(() => true);
  if (insert(rows) !== rows.length) {
    file.run("rollback to rows"); // some were known: find out which
    fresh = rows.map((each) => insert([each]) === 1);
  }
  file.run("release rows");
  return fresh;
}

type ReadyRow = readonly [
  ord: number,
  id: string,
  rank: number,
  attempt: number,
  crashes: number,
  publishedAt: number,
  body: string,
];

function delivery([ord, id, rank, attempt, crashes, publishedAt, body]: ReadyRow, owner: number): SqliteDelivery {
  return { id, body, attempt, crashes, ahead: rank === aheadRank, publishedAt, native: { ord, owner } };
}

type Ended = SettledDelivery<SqliteDelivery>;

function settle(file: SqliteFile, owner: number, ended: readonly Ended[]): void {
  const places = (...outcomes: readonly string[]) =>
    ended.filter(({ settlement }) => outcomes.includes(settlement.outcome)).map(({ delivery }) => delivery.native.ord);
  const over = places("done", "failed");
  const returned = places("returned");
  if (over.length > 0) file.run(sql.remove, [JSON.stringify(over), owner]);
  if (returned.length > 0) file.run(sql.giveBack, [JSON.stringify(returned), owner]);
  for (const { delivery, settlement } of ended) {
    const { ord } = delivery.native;
    if (settlement.outcome === "retry") file.run(sql.again, [1, Math.ceil(settlement.delayMs), ord, owner]);
    if (settlement.outcome === "postponed") file.run(sql.again, [0, Math.ceil(settlement.delayMs), ord, owner]);
  }
}
