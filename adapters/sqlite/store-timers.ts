/** The timers of the SQLite store. */
import { randomUUID } from "node:crypto";
import type { From, LeasedTimers, Page, TimerEntry, Timers, WaitingTimer } from "../../src/contract/index.ts";
import { jsonText, listOf, type SqliteFile, texts } from "./file.ts";
import type { Call } from "./store-calls.ts";
import { listed, nowMs } from "./store-sql.ts";

/**
 * `leased`: 1 as version 0.1 leases, 2 with a token. What that version acknowledges is leased by itself, and what it
 * leases again is no longer held by a token.
 */
const sql = {
  add: `insert into funboost_timer (queue, id, due, leased, payload)
    select ?, value ->> '$[0]', ${nowMs} + (value ->> '$[1]'), 0, value ->> '$[2]' from json_each(?) where true
    on conflict (queue, id) do update set due = excluded.due, leased = 0, payload = excluded.payload`,
  /** The first of each queue: how long until it is due. */
  firsts: `select ${listOf("json_array(queue, due - now)")} from (
    select cast(value as text) as queue, ${nowMs} as now,
      (select min(due) from funboost_timer where queue = value) as due from json_each(?))
    where due is not null`,
  due: `select ${listOf(`json_array(${texts("id", "payload")}, due)`)} from (
    select id, payload, due from funboost_timer where queue = ? and due <= ${nowMs} order by due limit ?)`,
  lease: `update funboost_timer set leased = 2, token = ?, due = ${nowMs} + ? where queue = ? and id in ${listed}`,
  /** The first that are due, however they are named. */
  leaseFirst: `update funboost_timer set leased = 2, token = null, due = ${nowMs} + ? where queue = ? and id in (
    select id from funboost_timer where queue = ? and due <= ${nowMs} order by due limit ?)`,
  known: `select ${listOf(texts("id"))} from funboost_timer where queue = ? and id in ${listed}`,
  held: `select ${listOf(texts("id"))} from funboost_timer
    where queue = ? and leased = 2 and token = ? and id in ${listed}`,
  free: `select ${listOf(texts("id"))} from funboost_timer
    where queue = ? and id in ${listed} and (leased = 0 or due <= ${nowMs})`,
  drop: `delete from funboost_timer where queue = ? and id in ${listed}`,
  read: `select ${listOf(`json_array(${texts("id", "payload")}, due - ${nowMs}, leased, due)`)} from (
    select id, payload, due, leased from funboost_timer
    where queue = ? and (due, id) > (?, ?) order by due, id limit ?)`,
  count: "select count(*) as n from funboost_timer where queue = ?",
  clear: `delete from funboost_timer where queue in ${listed}`,
};

export function createTimers(read: Call, page: Call, write: Call): Timers {
  return {
    add: async (entries) =>
      void (await write((file) => {
        for (const [queue, own] of groups(entries, ({ queue }) => queue)) addAll(file, queue, own);
      }, entries.length)),
    lease: (queues, how) => write((file) => lease(file, queues, how.limit, how.ttlMs)),
    ack: (leased) =>
      write((file) => {
        const groupOf = ({ queue, token }: Leased) => JSON.stringify([queue, token]);
        return dropOf(file, leased, groupOf, ({ queue, token }, ids) => file.json(sql.held, [queue, token, ids]));
      }, leased.length),
    remove: (entries) =>
      write((file) => {
        const groupOf = ({ queue }: Named) => queue;
        return dropOf(file, entries, groupOf, ({ queue }, ids) => file.json(sql.free, [queue, ids]));
      }, entries.length),
    read: (queue, from) => page((file) => readPage(file, queue, from)),
    count: (queues) => read((file) => queues.map((queue) => file.get<{ n: number }>(sql.count, [queue])?.n ?? 0)),
    clear: async (queues) => void (await write((file) => file.run(sql.clear, [jsonText(queues)]))),
  };
}

function groups<T>(entries: readonly T[], keyOf: (entry: T) => string): Map<string, T[]> {
  const all = new Map<string, T[]>();
  for (const entry of entries) {
    const key = keyOf(entry);
    const there = all.get(key);
    if (there) there.push(entry);
    else all.set(key, [entry]);
  }
  return all;
}

function addAll(file: SqliteFile, queue: string, entries: readonly TimerEntry[]): void {
  const rows = entries.map(({ id, dueInMs, payload }) => [id, Math.ceil(dueInMs), payload]);
  file.run(sql.add, [queue, jsonText(rows)]);
}

interface Named {
  readonly queue: string;
  readonly id: string;
}

type Leased = Named & { readonly token: string };

/** Removes those of each group that `find` finds. Of two of one entry the first has removed it. */
function dropOf<E extends Named>(
  file: SqliteFile,
  entries: readonly E[],
  groupOf: (entry: E) => string,
  find: (first: E, ids: string) => readonly string[],
): readonly boolean[] {
  const removed = new Map<string, Set<string>>();
  for (const [group, own] of groups(entries, groupOf)) {
    const first = own[0] as E;
    const ids = find(first, jsonText(own.map(({ id }) => id)));
    if (ids.length > 0) file.run(sql.drop, [first.queue, jsonText(ids)]);
    removed.set(group, new Set(ids));
  }
  return entries.map((each) => removed.get(groupOf(each))?.delete(each.id) === true);
}

function readPage(file: SqliteFile, queue: string, { after, limit }: From): Page<WaitingTimer> {
  const [due, id] = after === undefined ? [Number.MIN_SAFE_INTEGER, ""] : (JSON.parse(after) as [number, string]);
  const rows = file.json<[string, string, number, number, number][]>(sql.read, [queue, due, id, limit + 1]);
  const items = rows
    .slice(0, limit)
    .map(([id, payload, dueInMs, leased]) => ({ id, payload, dueInMs, leased: leased > 0 && dueInMs > 0 }));
  const last = rows[limit - 1];
  return rows.length > limit && last ? { items, after: JSON.stringify([last[4], last[0]]) } : { items };
}

type Due = readonly [id: string, payload: string, due: number];

function lease(file: SqliteFile, queues: readonly string[], limit: number, ttlMs: number): LeasedTimers {
  const names = jsonText([...new Set(queues)]);
  const token = randomUUID();
  const late = file
    .json<[string, number][]>(sql.firsts, [names])
    .flatMap(([queue, inMs]) =>
      inMs > 0 ? [] : file.json<Due[]>(sql.due, [queue, limit]).map((due) => ({ queue, due })),
    );
  const first = late.sort((one, other) => one.due[2] - other.due[2]).slice(0, limit);
  const entries: LeasedTimers["entries"][number][] = [];
  for (const [queue, own] of groups(first, (each) => each.queue)) {
    const dues = own.map(({ due }) => due);
    for (const [id, payload] of leaseDue(file, queue, dues, ttlMs, token)) entries.push({ queue, id, payload, token });
  }
  const nexts = file.json<[string, number][]>(sql.firsts, [names]).map(([, inMs]) => Math.max(0, inMs));
  return nexts.length > 0 ? { entries, nextDueMs: Math.min(...nexts) } : { entries };
}

/** Foreign rows whose ids are no text of ours can be leased, to be out of the way, and not given out. */
function leaseDue(file: SqliteFile, queue: string, due: readonly Due[], ttlMs: number, token: string): readonly Due[] {
  const ids = jsonText(due.map(([id]) => id));
  const leased = file.run(sql.lease, [token, ttlMs, queue, ids]);
  if (leased === due.length) return due;
  file.run(sql.leaseFirst, [ttlMs, queue, queue, due.length - leased]);
  const known = new Set(file.json<string[]>(sql.known, [queue, ids]));
  return due.filter(([id]) => known.has(id));
}
