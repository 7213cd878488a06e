/** SQLite store: the shared state of all processes on one machine, in the file of the SQLite broker. */
import { repeat } from "../../src/base/clock.ts";
import { readStored } from "../../src/base/json.ts";
import type { Reservation, Results, SetEntry, StartRow, Store } from "../../src/contract/index.ts";
import { type RowState, reserveInRow } from "../shared/start-row.ts";
import { yielding } from "../shared/yielding.ts";
import { loadDriver } from "./driver.ts";
import { jsonText, openFile, type SqliteFile } from "./file.ts";
import { checkOptions, chosenFile, type SqliteOptions } from "./options.ts";
import type { Call } from "./store-calls.ts";
import { createIndex, createLists, createMaps } from "./store-maps.ts";
import { createNotices, type Notices } from "./store-notices.ts";
import { part, prune, pruneLimit, sql } from "./store-sql.ts";
import { createTimers } from "./store-timers.ts";
import { createWaits, type Waits, waitWhenOpen } from "./store-waits.ts";

const pruneMs = 30_000;

/**
 * A store that needs no server: results, limits and timers in a local file.
 *
 * @example
 * configure({ store: sqliteStore({ file: "./work/queue.db" }) });
 */
export function sqliteStore(options: SqliteOptions = {}): Store {
  checkOptions(options);
  let opening: Promise<OpenStore> | undefined;
  const use = () => (opening ??= open(options));
  const { read, page, write } = callsOn(use);
  return {
    format: 2,
    name: "sqlite",
    scope: "host",
    durable: true,
    now: () => read((file) => file.get<{ now: number }>(sql.now, [])?.now as number),
    ...createValues(read, write),
    ...endings(write),
    reserve: (key, row) => write((file) => reserve(file, key, row)),
    lease: (name, owner, ttlMs, term) => write((file) => lease(file, { name, owner, ttlMs, term })),
    release: async (name, owner) => void (await write((file) => file.run(sql.release, [name, owner]))),
    timers: createTimers(read, page, write),
    list: createLists(page, write),
    map: createMaps(read, page, write),
    index: createIndex(read, page, write),
    async notify(channel, text) {
      const { file, notices } = await use();
      await file.write(() => file.run(sql.addNotice, [channel, text]));
      file.announce(notices.topic);
    },
    subscribe: async (channel, listener) => (await use()).notices.subscribe(channel, listener),
    results: createResults(use, read, write),
    async close() {
      const store = opening;
      opening = undefined;
      await (await store?.catch(() => undefined))?.close();
    },
  };
}

function callsOn(use: () => Promise<OpenStore>): { readonly read: Call; readonly page: Call; readonly write: Call } {
  const read: Call = async (work) => {
    const { file } = await use();
    return file.readInOrder(() => work(file));
  };
  return {
    read,
    page: async (work) => yielding(await read(work)), // pages are read in a loop
    async write(work, weight) {
      const { file } = await use();
      return file.write(() => work(file), weight);
    },
  };
}

interface OpenStore {
  readonly file: SqliteFile;
  readonly waits: Waits;
  readonly notices: Notices;
  close(): Promise<void>;
}

async function open(options: SqliteOptions): Promise<OpenStore> {
  const file = await openFile(await loadDriver(), chosenFile(options), options.synchronous ?? "normal", part);
  const waits = createWaits(file, sql);
  const notices = createNotices(file, sql);
  const stopPruning = repeat(
    pruneMs,
    () => pruneAll(file),
    () => {}, // the next turn does it
  );
  const close = async () => {
    waits.close();
    notices.close();
    await stopPruning();
    await file.release();
  };
  return { file, waits, notices, close };
}

async function pruneAll(file: SqliteFile): Promise<void> {
  for (const statement of prune) while ((await file.write(() => file.run(statement), pruneLimit)) >= pruneLimit);
}

/** Of values, lists and maps alike. */
function endings(write: Call): Pick<Store, "delete" | "expire"> {
  return {
    delete: (keys) =>
      write((file) => {
        for (const each of sql.drop) file.run(each, [jsonText(keys)]);
      }, keys.length),
    expire: (keys) =>
      write((file) => {
        for (const { key, ttlMs } of keys) for (const each of sql.expire) file.run(each, [ttlMs, key]);
      }, keys.length),
  };
}

function createValues(read: Call, write: Call) {
  return {
    get: (keys) =>
      read((file) => {
        const found = new Map(file.json<[string, string][]>(sql.values, [jsonText(keys)]));
        return keys.map((key) => found.get(key));
      }),
    set: (entries) => write((file) => entries.map((entry) => setOne(file, entry))),
    increment: (counters) =>
      write((file) =>
        counters.map(({ key, by, ttlMs }) =>
          Number(file.get<{ value: string }>(sql.increment, [key, String(by), ttlMs ?? null])?.value),
        ),
      ),
  } satisfies Partial<Store>;
}

function setOne(file: SqliteFile, { key, value, ttlMs: ttl, if: condition }: SetEntry): boolean {
  const ttlMs = ttl ?? null;
  if (condition === "absent") return file.run(sql.putAbsent, [key, value, ttlMs]) === 1;
  if (condition) return file.run(sql.putEqual, [value, ttlMs, key, condition.equals]) === 1;
  return file.run(sql.put, [key, value, ttlMs]) === 1;
}

/** A row's state is in two places: version 0.1 knows when its next start is due, and nothing else. */
function reserve(file: SqliteFile, key: string, row: StartRow): Reservation {
  const { now, next, rest } = file.get(sql.nextStart, [key, rowKey(key)]) as {
    now: number;
    next: number | null;
    rest: string | null;
  };
  const kept = next === null ? undefined : { ...readRest(rest), next };
  const { state, reservation, endsAt } = reserveInRow(kept, row, now);
  file.run(sql.putNextStart, [key, state.next, Math.ceil(endsAt)]);
  file.run(sql.put, [rowKey(key), JSON.stringify({ ...state, next: undefined }), Math.ceil(endsAt - now)]);
  return reservation;
}

/** What others have spoilt there counts as none. */
function readRest(text: string | null): Omit<RowState, "next"> {
  const { number, last, moved } = readStored<Partial<RowState> | null>(text ?? undefined) ?? {};
  const isMove = (each: unknown) => Array.isArray(each) && each.length === 2 && each.every(Number.isFinite);
  if (!Number.isSafeInteger(number) || !Number.isFinite(last)) return { number: 0, last: 0, moved: [] };
  return { number, last, moved: Array.isArray(moved) && moved.every(isMove) ? moved : [] } as Omit<RowState, "next">;
}

const rowKey = (key: string): string => `row:${key}`;

interface Asked {
  readonly name: string;
  readonly owner: string;
  readonly ttlMs: number;
  readonly term: number | undefined;
}

function lease(file: SqliteFile, { name, owner, ttlMs, term }: Asked): { fence: number } | null {
  const holder = file.get<{ fence: number; mine: number }>(sql.holder, [owner, name]);
  if (holder?.mine === 0) return null;
  if (term !== undefined && holder?.fence !== term) return null;
  if (holder) {
    file.run(sql.renew, [ttlMs, holder.fence]);
    return { fence: holder.fence };
  }
  file.run(sql.dropLease, [name]);
  return { fence: file.get<{ fence: number }>(sql.addLease, [name, owner, ttlMs])?.fence as number };
}

function createResults(use: () => Promise<OpenStore>, read: Call, write: Call): Results {
  return {
    async put(queue, results) {
      const { file, waits } = await use();
      // Of two of one id the last written stays.
      const rows = results.map(({ id, outcome, ttlMs, publishedAt }) => [id, outcome, Math.ceil(ttlMs), publishedAt]);
      const inOrder = jsonText(rows.reverse().sort(([, , , a = 0], [, , , b = 0]) => Number(a) - Number(b)));
      await file.write(() => file.run(sql.putResults, [queue, inOrder, queue]), results.length);
      file.announce(waits.topic);
    },
    get: (queue, ids) =>
      read((file) => {
        const found = new Map(file.json<[string, string][]>(sql.results, [queue, jsonText(ids)]));
        return ids.map((id) => found.get(id));
      }),
    delete: async (queue, ids) => void (await write((file) => file.run(sql.dropResults, [queue, jsonText(ids)]))),
    wait: waitWhenOpen(async () => (await use()).waits),
  };
}
