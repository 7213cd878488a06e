/**
 * Tables and statements of the SQLite store. Times are the file's own clock; what has expired counts as gone until it
 * is pruned.
 */
import { listOf, texts } from "./file.ts";

const schema = `
create table if not exists funboost_value (
  key text primary key,
  value text not null,
  expires integer
) without rowid;
create index if not exists funboost_value_expires on funboost_value (expires) where expires is not null;
create table if not exists funboost_rate (
  key text primary key,
  next real not null,
  expires integer not null
) without rowid;
create table if not exists funboost_lease (
  fence integer primary key autoincrement,
  name text not null unique,
  owner text not null,
  expires integer not null
);
create table if not exists funboost_timer (
  queue text not null,
  id text not null,
  due integer not null,
  leased integer not null,
  payload text not null,
  primary key (queue, id)
) without rowid;
create index if not exists funboost_timer_due on funboost_timer (queue, due);
create table if not exists funboost_list (
  key text primary key,
  next integer not null,
  expires integer
) without rowid;
create table if not exists funboost_list_item (
  key text not null,
  n integer not null,
  item text not null,
  primary key (key, n)
) without rowid;
create table if not exists funboost_notice (
  seq integer primary key autoincrement,
  channel text not null,
  text text not null,
  at integer not null
);
create table if not exists funboost_result (
  seq integer primary key autoincrement,
  queue text not null,
  id text not null,
  outcome text not null,
  expires integer not null,
  unique (queue, id)
);
create index if not exists funboost_result_expires on funboost_result (expires);
`;

/** Of the second contract. Version 0.1 goes on beside these. */
const later = `
create table if not exists funboost_map (
  key text primary key,
  size integer not null,
  expires integer
) without rowid;
create index if not exists funboost_map_expires on funboost_map (expires) where expires is not null;
create table if not exists funboost_map_field (
  key text not null,
  field text not null,
  value text not null,
  primary key (key, field)
) without rowid;
create table if not exists funboost_index (
  name text not null,
  id text not null,
  value text not null,
  expires integer,
  primary key (name, id)
) without rowid;
create index if not exists funboost_index_expires on funboost_index (expires) where expires is not null;
`;

export const part = {
  name: "store",
  version: 1,
  schema,
  later,
  added: [
    { table: "funboost_result", column: "published", type: "integer" },
    { table: "funboost_timer", column: "token", type: "text" },
  ],
};

export const nowMs = "cast(unixepoch('subsec') * 1000 as integer)";
export const live = `(expires is null or expires > ${nowMs})`;
export const listed = "(select value from json_each(?))";

/** Rows that one prune step removes at most. */
export const pruneLimit = 1000;
const noticeMs = 60_000;

export const sql = {
  values: `select ${listOf(`json_array(${texts("key", "value")})`)}
    from funboost_value where key in ${listed} and ${live}`,
  put: `insert into funboost_value (key, value, expires) values (?, ?, ${nowMs} + ?)
    on conflict (key) do update set value = excluded.value, expires = excluded.expires`,
  putAbsent: `insert into funboost_value (key, value, expires) values (?, ?, ${nowMs} + ?)
    on conflict (key) do update set value = excluded.value, expires = excluded.expires
    where funboost_value.expires <= ${nowMs}`,
  putEqual: `update funboost_value set value = ?, expires = ${nowMs} + ? where key = ? and value = ? and ${live}`,
  /** Values, lists and maps alike. */
  drop: ["value", "list_item", "list", "map_field", "map"].map(
    (each) => `delete from funboost_${each} where key in ${listed}`,
  ),
  expire: ["value", "list", "map"].map(
    (each) => `update funboost_${each} set expires = ${nowMs} + ? where key = ? and ${live}`,
  ),
  increment: `insert into funboost_value (key, value, expires) values (?, ?, ${nowMs} + ?)
    on conflict (key) do update set
    value = iif(
      funboost_value.expires <= ${nowMs}, excluded.value, cast(funboost_value.value + excluded.value as text)
    ),
    expires = iif(funboost_value.expires <= ${nowMs}, excluded.expires, funboost_value.expires)
    returning value`,

  now: `select ${nowMs} as now`,
  nextStart: `select unixepoch('subsec') * 1000 as now,
     (select cast(next as real) from funboost_rate where key = ?) as next,
     (select cast(value as text) from funboost_value where key = ?) as rest`,
  putNextStart: `insert into funboost_rate (key, next, expires) values (?, ?, ?)
    on conflict (key) do update set next = excluded.next, expires = excluded.expires`,

  holder: `select fence, owner = ? as mine from funboost_lease where name = ? and expires > ${nowMs}`,
  renew: `update funboost_lease set expires = ${nowMs} + ? where fence = ?`,
  dropLease: "delete from funboost_lease where name = ?",
  addLease: `insert into funboost_lease (name, owner, expires) values (?, ?, ${nowMs} + ?) returning fence`,
  release: "delete from funboost_lease where name = ? and owner = ?",

  addNotice: `insert into funboost_notice (channel, text, at) values (?, ?, ${nowMs})`,
  lastNotice: "select coalesce(max(seq), 0) as n from funboost_notice",
  notices: `select ${listOf(`json_array(seq, ${texts("channel", "text")})`)} from (
    select * from funboost_notice where seq > ? order by seq limit 1000)`,

  putResults: `insert or replace into funboost_result (queue, id, outcome, expires, published)
    select ?, value ->> '$[0]', value ->> '$[1]', ${nowMs} + (value ->> '$[2]'), value ->> '$[3]' from json_each(?)
    where not exists (
      select 1 from funboost_result where queue = ? and id = value ->> '$[0]' and expires > ${nowMs}
      and (value ->> '$[3]' is null or published >= value ->> '$[3]')
    )`,
  results: `select ${listOf(`json_array(${texts("id", "outcome")})`)} from funboost_result
    where queue = ? and id in ${listed} and ${live}`,
  dropResults: `delete from funboost_result where queue = ? and id in ${listed}`,
  lastResult: "select coalesce(max(seq), 0) as n from funboost_result",
  newResults: `select ${listOf(`json_array(seq, ${texts("queue", "id")})`)} from (
    select seq, queue, id from funboost_result where seq > ? order by seq limit 1000)`,
  outcomes: `select ${listOf(`json_array(${texts("queue", "id", "outcome")})`)}
    from funboost_result where seq in ${listed}`,
};

/** Each removes up to `pruneLimit` rows; run again while it does. */
export const prune = [
  `delete from funboost_value
    where key in (select key from funboost_value where expires <= ${nowMs} limit ${pruneLimit})`,
  `delete from funboost_rate
    where key in (select key from funboost_rate where expires <= ${nowMs} limit ${pruneLimit})`,
  `delete from funboost_lease
    where fence in (select fence from funboost_lease where expires <= ${nowMs} limit ${pruneLimit})`,
  `delete from funboost_result
    where seq in (select seq from funboost_result where expires <= ${nowMs} limit ${pruneLimit})`,
  `delete from funboost_notice where seq in (
    select seq from funboost_notice where at <= ${nowMs} - ${noticeMs} order by seq limit ${pruneLimit})`,
  `delete from funboost_list_item where (key, n) in (
    select item.key, item.n from funboost_list list join funboost_list_item item on item.key = list.key
    where list.expires <= ${nowMs} limit ${pruneLimit})`,
  `delete from funboost_index where (name, id) in (
    select name, id from funboost_index where expires <= ${nowMs} limit ${pruneLimit})`,
  `delete from funboost_map_field where (key, field) in (
    select field.key, field.field from funboost_map map join funboost_map_field field on field.key = map.key
    where map.expires <= ${nowMs} limit ${pruneLimit})`,
  `delete from funboost_map where key in (
    select key from funboost_map map where expires <= ${nowMs}
    and not exists (select 1 from funboost_map_field field where field.key = map.key) limit ${pruneLimit})`,
  `delete from funboost_list where key in (
    select key from funboost_list list where expires <= ${nowMs}
    and not exists (select 1 from funboost_list_item item where item.key = list.key) limit ${pruneLimit})`,
];
