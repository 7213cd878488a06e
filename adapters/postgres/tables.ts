/**
 * Tables of the PostgreSQL store, in its schema `$S`. Later versions add to them and take nothing away. Times are epoch
 * milliseconds of the server; what has expired counts as gone until it is pruned.
 */

const often = "with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)";

export const tables = `
create table if not exists $S.value (
  key text collate "C" primary key, value text not null, expires bigint
) ${often};
create index if not exists value_expires on $S.value (expires) where expires is not null;
create table if not exists $S.rate (
  key text collate "C" primary key, state text not null, expires bigint not null
) ${often};
create sequence if not exists $S.fence;
create table if not exists $S.lease (
  name text collate "C" primary key, fence bigint not null, owner text not null, expires bigint not null
) ${often};
create table if not exists $S.timer (
  queue text collate "C", id text collate "C", due bigint not null, token text, payload text not null,
  primary key (queue, id)
) ${often};
create index if not exists timer_due on $S.timer (queue, due, id);
create table if not exists $S.list (
  key text collate "C" primary key, next bigint not null, expires bigint
) ${often};
create index if not exists list_expires on $S.list (expires) where expires is not null;
create table if not exists $S.list_item (
  key text collate "C", n bigint, item text not null, primary key (key, n)
);
create table if not exists $S.map (
  key text collate "C" primary key, size bigint not null, expires bigint
) ${often};
create index if not exists map_expires on $S.map (expires) where expires is not null;
create table if not exists $S.map_field (
  key text collate "C", field text collate "C", value text not null, primary key (key, field)
) ${often};
create table if not exists $S.member (
  name text collate "C", id text collate "C", value text not null, expires bigint, primary key (name, id)
) ${often};
create index if not exists member_expires on $S.member (expires) where expires is not null;
create table if not exists $S.result (
  queue text collate "C", id text collate "C", outcome text not null, expires bigint not null, published numeric,
  primary key (queue, id)
) ${often};
create index if not exists result_expires on $S.result (expires);
create table if not exists $S.notice (
  seq bigint generated always as identity primary key, channel text not null, text text not null,
  expires bigint not null
);
create or replace function $S.now_ms() returns bigint language sql volatile as
  $$ select floor(extract(epoch from clock_timestamp()) * 1000)::bigint $$;
`;

const limit = 1_000;

/**
 * Each removes some rows that nobody else is about to change; run again while it removes any. The time is asked once
 * each, so that an index can be used.
 */
export const prunes = [
  ...["value", "rate", "lease", "member", "result", "notice"].map(
    (table) => `delete from $S.${table} where ctid = any(array(
      select ctid from $S.${table} where expires <= (select $S.now_ms()) limit ${limit} for update skip locked))`,
  ),
  ...[
    ["list", "list_item"],
    ["map", "map_field"],
  ].flatMap(([owner, part]) => [
    `delete from $S.${part} where ctid = any(array(
      select part.ctid from $S.${owner} owner join $S.${part} part on part.key = owner.key
      where owner.expires <= (select $S.now_ms()) limit ${limit} for update of part skip locked))`,
    `delete from $S.${owner} where ctid = any(array(
      select ctid from $S.${owner} owner where expires <= (select $S.now_ms())
      and not exists (select 1 from $S.${part} part where part.key = owner.key)
      limit ${limit} for update skip locked))`,
  ]),
];
