/** Tables and statements of the SQLite broker. */
import { listOf, texts } from "./file.ts";

/**
 * A message waits (owner 0, due 0), is delayed (owner 0, due later) or runs (owner above 0). `ord` is its place:
 * rowids grow with each publish, those of `ahead` go below zero. A lease belongs to a consumer, not to each message:
 * renewing it is one row. `lease_until` below zero: it has lapsed, and a rescue noted it then.
 */
const schema = `
create table if not exists funboost_queue (
  queue integer primary key,
  name text not null unique,
  paused integer not null default 0
);
create table if not exists funboost_consumer (
  owner integer primary key autoincrement,
  queue integer not null,
  lease_until integer not null
);
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
export const aheadRank = 1_000_000;
const waits = "queue = ? and owner = 0 and due = 0";
const delayed = "queue = ? and owner = 0 and due > 0";
const listed = "(select value from json_each(?))";
const first = `select * from funboost_message where ${waits} order by rank desc, ord limit ?`;
const bodyText = "iif(typeof(body) = 'text', body, null)";
const numbers = (...columns: readonly string[]) => columns.map((column) => `cast(${column} as integer)`).join(", ");
const row = (n: number) => `value ->> '$[${n}]'`;

/** More than any time. */
const anewMs = "1000000000000000";

export const sql = {
  queue: "select queue as n from funboost_queue where name = ?",
  addQueue: "insert into funboost_queue (name) values (?) on conflict (name) do nothing",
  paused: "select paused as n from funboost_queue where queue = ?",
  setPaused: "update funboost_queue set paused = ? where queue = ?",
  lowest: "select min(0, coalesce(min(ord), 0)) as n from funboost_message",
  // The first parameter is the lowest place so far: each message ahead goes below it, last in first out.
  insert: `insert into funboost_message (ord, queue, id, rank, due, attempt, published_at, body)
    select case when ${row(1)} = ${aheadRank} then ? - 1 - key end, ?, ${row(0)}, ${row(1)},
      iif(${row(2)} > 0, ${nowMs} + ${row(2)}, 0), ${row(3)}, coalesce(${row(4)}, ${nowMs}), ${row(5)}
    from json_each(?) where true on conflict (queue, id) do nothing`,
  exists: `select exists (select 1 from funboost_message where ${waits}) as n`,
  // What is no number, from others, stands behind all numbers and is never due.
  nextDue: `select min(due) - ${nowMs} as n from funboost_message where ${delayed} and due < 9e15`,
  promote: `update funboost_message set due = 0, ord = moved.place
    from (
      select ord as was,
        (select max(0, max(ord)) from funboost_message) + row_number() over (order by due, ord) as place
      from (
        select ord, due from funboost_message where ${delayed} and due <= ${nowMs} order by due, ord limit ?
      )
    ) as moved
    where funboost_message.ord = moved.was`,
  ready: `select ${listOf("json_array(ord, id, rank, attempt, crashes, published_at, body)")} from (${first})`,
  /** The same where one of them has a BLOB in it: that body is null. */
  readyBesideBlobs: `select ${listOf(
    `json_array(ord, ${texts("id")}, rank, ${numbers("attempt", "crashes", "published_at")}, ${bodyText})`,
  )} from (${first})`,
  body: "select typeof(body) as type, hex(body) as hex from funboost_message where ord = ?",
  bytes: `select sum(bytes) as n from (
    select octet_length(body) as bytes from funboost_message where ${waits} order by rank desc, ord limit ?)`,
  peek: `select ${listOf(`json_array(ord, ${texts("id")}, ${bodyText})`)} from (${first})`,
  claim: `update funboost_message set owner = ? where ord in ${listed}`,
  alive: "select exists (select 1 from funboost_consumer where owner = ?) as n",
  addOwner: `insert into funboost_consumer (queue, lease_until) values (?, ${nowMs} + ?)`,
  newest: "select max(owner) as n from funboost_consumer",
  renew: `update funboost_consumer set lease_until = ${nowMs} + ? where owner = ?`,
  removeOwner: "delete from funboost_consumer where owner = ?",
  remove: `delete from funboost_message where ord in ${listed} and owner = ?`,
  giveBack: `update funboost_message set owner = 0 where ord in ${listed} and owner = ?`,
  again: `update funboost_message set owner = 0, attempt = attempt + ?, due = ${nowMs} + ? where ord = ? and owner = ?`,
  // When it was noted lies below zero; when it was noted anew, which is done once, below that.
  noteLapsed: `update funboost_consumer set lease_until = -${nowMs} - iif(lease_until < 0, ${anewMs}, 0) where queue = ?
    and (lease_until between 0 and ${nowMs}
      or lease_until < 0 and lease_until > -${anewMs} and lease_until + ${nowMs} not between 0 and ?
      or lease_until + ${anewMs} + ${nowMs} < 0)`,
  lapsed: `select ${listOf("owner")} from funboost_consumer where queue = ?
    and (lease_until < 0 and lease_until > -${anewMs} and lease_until + ${nowMs} between ? and ?
      or lease_until <= -${anewMs} and lease_until + ${anewMs} + ${nowMs} >= ?)`,
  rescue: "update funboost_message set owner = 0, crashes = crashes + 1 where queue = ? and owner = ?",
  counts: `select
    (select count(*) from funboost_message where ${waits}) as ready,
    (select count(*) from funboost_message where ${delayed} and due <= ${nowMs}) as due,
    (select count(*) from funboost_message where ${delayed} and due > ${nowMs}) as delayed,
    (select count(*) from funboost_message where queue = ? and owner > 0) as running`,
  top: "select max(ord) as n from funboost_message",
  clearWaiting: `delete from funboost_message
    where ord in (select ord from funboost_message where ${waits} and ord <= ? limit ?)`,
  clearDelayed: `delete from funboost_message
    where ord in (select ord from funboost_message where ${delayed} and ord <= ? limit ?)`,
  waitingIds: `select ${listOf(texts("id"))} from funboost_message
    where queue = ? and owner = 0 and id in ${listed}`,
  cancel: `delete from funboost_message where queue = ? and owner = 0 and id in ${listed}`,
  state: `select case when owner > 0 then 'running' when due > ${nowMs} then 'delayed' else 'waiting' end as state
    from funboost_message where queue = ? and id = ?`,
  reschedule: `update funboost_message set due = ${nowMs} + ? where queue = ? and id = ? and owner = 0`,
  unstarted: "select ord as n from funboost_message where queue = ? and id = ? and owner = 0",
  setBody: "update funboost_message set body = ? where ord = ?",
};
