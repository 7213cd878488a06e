/** Lists, maps and indexes of the SQLite store. */
import type { Field, Index, MapEntry, Maps, MapWritten, Store } from "../../src/contract/index.ts";
import { listFrom } from "../shared/list-from.ts";
import { jsonText, listOf, type SqliteFile, texts, wellFormed } from "./file.ts";
import type { Call } from "./store-calls.ts";
import { listed, live, nowMs } from "./store-sql.ts";

const sql = {
  list: `select next from funboost_list where key = ? and ${live}`,
  putList: `insert into funboost_list (key, next, expires) values (?, ?, ${nowMs} + ?)
    on conflict (key) do update set next = excluded.next,
      expires = iif(excluded.expires is null, expires, max(excluded.expires, coalesce(expires, 0)))`,
  dropList: "delete from funboost_list where key = ?",
  dropItems: "delete from funboost_list_item where key = ?",
  addItems: "insert into funboost_list_item (key, n, item) select ?, ? + key, value from json_each(?)",
  items: `select ${listOf(texts("item"))} from (
    select item from funboost_list_item where key = ? and n >= ? order by n limit ?)`,

  map: `select size from funboost_map where key = ? and ${live}`,
  putMap: `insert into funboost_map (key, size, expires) values (?, ?, ${nowMs} + ?)
    on conflict (key) do update set size = excluded.size, expires = coalesce(excluded.expires, expires)`,
  dropMap: "delete from funboost_map where key = ?",
  dropFields: "delete from funboost_map_field where key = ?",
  hasField: "select 1 as n from funboost_map_field where key = ? and field = ?",
  putField: "insert into funboost_map_field (key, field, value) values (?, ?, ?)",
  changeField: "update funboost_map_field set value = ? where key = ? and field = ?",
  fields: `select ${listOf(`json_array(${texts("field", "value")})`)} from funboost_map_field
    where key = ? and field in ${listed}`,
  firstFields: `select ${listOf(`json_array(${texts("field", "value")})`)} from (
    select field, value from funboost_map_field where key = ? order by field limit ?)`,
  nextFields: `select ${listOf(`json_array(${texts("field", "value")})`)} from (
    select field, value from funboost_map_field where key = ? and field > ? order by field limit ?)`,
  removeFields: `delete from funboost_map_field where key = ? and field in ${listed}`,
  setSize: "update funboost_map set size = ? where key = ?",
  isHeld: `select 1 as n from funboost_lease where name = ? and fence = ? and expires > ${nowMs}`,

  putMembers: `insert into funboost_index (name, id, value, expires)
    select ?, value ->> '$[0]', value ->> '$[1]', ${nowMs} + (value ->> '$[2]') from json_each(?) where true
    on conflict (name, id) do update set value = excluded.value, expires = iif(
      excluded.expires is null and expires > ${nowMs}, expires, excluded.expires)`,
  dropMembers: `delete from funboost_index where name = ? and id in ${listed}`,
  members: `select ${listOf(`json_array(${texts("id", "value")})`)} from (
    select id, value from funboost_index where name = ? and id >= ? and (? is null or id > ?) and ${live}
    order by id limit ?)`,
  countMembers: `select count(*) as n from funboost_index where name = ? and ${live}`,
};

export function createLists(page: Call, write: Call): Store["list"] {
  return {
    append: (entries) => write((file) => entries.map((entry) => append(file, entry)), entries.length),
    read: (key, from, limit) =>
      page((file) => {
        const length = file.get<{ next: number }>(sql.list, [key])?.next;
        if (length === undefined || limit < 1) return [];
        return file.json<string[]>(sql.items, [key, listFrom(from, length), limit]);
      }),
  };
}

function append(file: SqliteFile, { key, items, ttlMs }: Parameters<Store["list"]["append"]>[0][number]): number {
  const next = file.get<{ next: number }>(sql.list, [key])?.next;
  if (next === undefined && items.length === 0) return 0;
  // It may have expired.
  if (next === undefined) for (const statement of [sql.dropItems, sql.dropList]) file.run(statement, [key]);
  if (items.length > 0) file.run(sql.addItems, [key, next ?? 0, jsonText(items)]);
  const length = (next ?? 0) + items.length;
  file.run(sql.putList, [key, length, ttlMs ?? null]);
  return length;
}

export function createMaps(read: Call, page: Call, write: Call): Maps {
  const sizeOf = (file: SqliteFile, key: string) => file.get<{ size: number }>(sql.map, [key])?.size;
  return {
    put: (entries) =>
      write(
        (file) => entries.map((entry) => putMap(file, entry, sizeOf(file, entry.key))),
        entries.reduce((sum, { fields }) => sum + fields.length, 0),
      ),
    get: (key, fields) =>
      read((file) => {
        if (sizeOf(file, key) === undefined) return fields.map(() => undefined);
        const found = new Map(file.json<Field[]>(sql.fields, [key, jsonText(fields)]));
        return fields.map((field) => found.get(wellFormed(field)));
      }),
    read: (key, { after, limit }) =>
      page((file) => {
        if (sizeOf(file, key) === undefined) return { items: [] };
        const rows =
          after === undefined
            ? file.json<Field[]>(sql.firstFields, [key, limit + 1])
            : file.json<Field[]>(sql.nextFields, [key, after, limit + 1]);
        return pageOf(rows, limit, ([field]) => field);
      }),
    remove: (key, fields) =>
      write((file) => {
        const size = sizeOf(file, key);
        if (size === undefined) return 0;
        const removed = file.run(sql.removeFields, [key, jsonText(fields)]);
        if (removed === size) file.run(sql.dropMap, [key]);
        else if (removed > 0) file.run(sql.setSize, [size - removed, key]);
        return removed;
      }, fields.length),
  };
}

/** One more than the limit was read: that there is one tells that this page is not the last. */
function pageOf<T>(rows: readonly T[], limit: number, idOf: (row: T) => string) {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return rows.length > limit && last !== undefined ? { items, after: idOf(last) } : { items };
}

function putMap(
  file: SqliteFile,
  { key, fields, if: condition, ttlMs, holding }: MapEntry,
  known: number | undefined,
): MapWritten {
  if (holding && !file.get(sql.isHeld, [holding.lease, holding.fence]))
    return { written: fields.map(() => false), size: known ?? 0, lost: true };
  // It may have expired.
  if (known === undefined) for (const statement of [sql.dropFields, sql.dropMap]) file.run(statement, [key]);
  let size = known ?? 0;
  const written = fields.map((each) => {
    const [field, value] = each.map(wellFormed) as [string, string];
    if (!file.get(sql.hasField, [key, field])) {
      size += 1;
      return file.run(sql.putField, [key, field, value]) === 1;
    }
    return condition !== "absent" && file.run(sql.changeField, [value, key, field]) === 1;
  });
  if (size > 0 && (size !== known || ttlMs !== undefined)) file.run(sql.putMap, [key, size, ttlMs ?? null]);
  return { written, size };
}

export function createIndex(read: Call, page: Call, write: Call): Index {
  return {
    put: async (name, members) => {
      // Of two of one id the last stays, as rows of one statement come one after the other.
      const rows = members.map(({ id, value, ttlMs }) => [id, value, ttlMs === undefined ? null : Math.ceil(ttlMs)]);
      await write((file) => file.run(sql.putMembers, [name, jsonText(rows)]), rows.length);
    },
    remove: async (name, ids) => void (await write((file) => file.run(sql.dropMembers, [name, jsonText(ids)]))),
    read: (name, { after, limit, prefix = "" }) =>
      page((file) => {
        const values = [name, after ?? prefix, after ?? null, after ?? null, limit + 1];
        const rows = file.json<[string, string][]>(sql.members, values);
        const found = pageOf(rows, limit, ([id]) => id);
        const items = found.items.filter(([id]) => id.startsWith(prefix)).map(([id, value]) => ({ id, value }));
        const isLast = items.length < found.items.length || rows.at(limit)?.[0].startsWith(prefix) === false;
        return found.after === undefined || isLast ? { items } : { items, after: found.after };
      }),
    count: (name) => read((file) => file.get<{ n: number }>(sql.countMembers, [name])?.n ?? 0),
  };
}
