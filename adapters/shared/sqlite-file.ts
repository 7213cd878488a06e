/** One SQLite file as this process sees it: one connection, grouped writes that never block the event loop, news of changes. */
import { clock, sleep } from "../../src/clock.ts";
import { FunboostError } from "../../src/errors.ts";
import { prepareFolder, sqliteError } from "./sqlite-path.ts";
import { watchFile } from "./sqlite-watch.ts";

/** Booleans and lone surrogates abort the whole process inside the driver: neither may be bound. */
export type SqlValue = string | number | null;

interface Statement {
  run(values: readonly SqlValue[]): { readonly changes: number };
  get(values: readonly SqlValue[]): Record<string, unknown> | undefined;
}

interface Connection {
  prepare(sql: string): Statement;
  exec(sql: string): void;
  close(): void;
}

/** The part of libsql that is used. */
export type SqliteDriver = new (path: string, options: { timeout: number }) => Connection;

export interface SqliteFile {
  readonly path: string;
  /** Runs a statement; answers how many rows it changed. */
  run(sql: string, values?: readonly SqlValue[]): number;
  /** The first row. */
  get<T>(sql: string, values?: readonly SqlValue[]): T | undefined;
  /** The first row's column `j`, parsed: one JSON text crosses the driver three times faster than 500 rows, and whole where a text holds a NUL. */
  json<T>(sql: string, values?: readonly SqlValue[]): T;
  read<T>(work: () => T): Promise<T>;
  /** Runs `work` in a write transaction, with what else was asked for in this tick. It may run more than once: no effects outside the file. */
  write<T>(work: () => T, weight?: number): Promise<T>;
  /** Creates the tables of one part of the file; refuses those of a newer version. */
  schema(part: string, version: number, ddl: string): Promise<void>;
  /** Tells those who listen in this process that there is something new. */
  announce(topic: string): void;
  /** Called after `announce`, and whenever another process has written. */
  listen(topic: string, listener: () => void): () => void;
  /** The last one out closes the connection. */
  release(): Promise<void>;
}

/** Most rows in one transaction: about 2 ms, so that neither this event loop nor the other processes wait long. */
export const batchSize = 500;
/** How long a lock of another process is waited for, without blocking. */
const patienceMs = 10_000;

const files = new Map<string, Promise<{ file: SqliteFile; join(synchronous: Synchronous): SqliteFile }>>();

export type Synchronous = "normal" | "full";

export async function openFile(Driver: SqliteDriver, path: string, synchronous: Synchronous): Promise<SqliteFile> {
  const key = prepareFolder(path);
  const known = files.get(key) ?? connect(Driver, key);
  files.set(key, known);
  try {
    const { join } = await known;
    // Closed by its last user in the meantime: open it anew.
    return files.get(key) === known ? join(synchronous) : await openFile(Driver, path, synchronous);
  } catch (error) {
    if (files.get(key) === known) files.delete(key);
    throw sqliteError(path, error);
  }
}

async function connect(Driver: SqliteDriver, path: string) {
  const db = new Driver(path, { timeout: 0 });
  await patiently(() => db.prepare("pragma journal_mode = wal").get([]));
  await patiently(() => db.exec("begin immediate; commit")); // a file that cannot be written is refused now, not at the first publish
  db.exec("pragma synchronous = normal; pragma temp_store = memory; pragma cache_size = -16000; pragma journal_size_limit = 67108864");
  let users = 0;
  const file = createFile(db, path, async (close) => {
    users -= 1;
    if (users > 0) return;
    files.delete(path);
    await close();
  });
  const join = (synchronous: Synchronous) => {
    users += 1;
    if (synchronous === "full") db.exec("pragma synchronous = full"); // who asks for more decides for all
    return file;
  };
  return { file, join };
}

function createFile(db: Connection, path: string, leave: (close: () => Promise<void>) => Promise<void>): SqliteFile {
  const statements = new Map<string, Statement>();
  const prepared = (sql: string) => {
    const known = statements.get(sql) ?? db.prepare(sql);
    statements.set(sql, known);
    return known;
  };
  const get = <T>(sql: string, values: readonly SqlValue[] = []) => prepared(sql).get(values) as T | undefined;
  const run = (sql: string, values: readonly SqlValue[] = []) => prepared(sql).run(values).changes;
  const writer = createWriter(run, path);
  const news = watchFile(path, () => get<{ data_version: number }>("pragma data_version")?.data_version);
  const file: SqliteFile = {
    path,
    run,
    get,
    json: <T>(sql: string, values?: readonly SqlValue[]) => JSON.parse(get<{ j: string }>(sql, values)?.j ?? "null") as T,
    read: (work) => patiently(work).catch((error) => Promise.reject(sqliteError(path, error))),
    write: writer.write,
    schema: (part, version, ddl) => writer.write(() => applySchema(db, file, part, version, ddl)),
    announce: news.announce,
    listen: news.listen,
    release: () =>
      leave(async () => {
        await writer.idle();
        news.close();
        statements.clear();
        checkpoint(db);
        db.close();
      }),
  };
  return file;
}

function applySchema(db: Connection, file: SqliteFile, part: string, version: number, ddl: string): void {
  db.exec("create table if not exists funboost_schema (part text primary key, version integer not null)");
  const found = file.get<{ version: number }>("select version from funboost_schema where part = ?", [part])?.version ?? 0;
  if (found > version) {
    const text = `the file ${JSON.stringify(file.path)} was written by a newer funboost (${part} version ${found}, this one knows ${version}). Update funboost, or use another file.`;
    throw new FunboostError("BROKER_REFUSED", text, { where: "sqlite" });
  }
  db.exec(ddl);
  file.run("insert into funboost_schema (part, version) values (?, ?) on conflict (part) do update set version = excluded.version", [part, version]);
}

/** Leaves the whole content in the main file, for whoever copies it; not possible while others use it. */
function checkpoint(db: Connection): void {
  try {
    db.prepare("pragma wal_checkpoint(truncate)").get([]);
  } catch {
    // the next connection does it
  }
}

const isBusy = (error: unknown) => /BUSY|LOCKED/.test((error as { code?: string }).code ?? "");

/** SQLite's own busy timeout blocks the event loop (measured: for as long as the lock lasts). So: try, sleep, try. */
async function patiently<T>(work: () => T): Promise<T> {
  const since = clock.monotonic();
  for (let tries = 1; ; tries += 1) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || clock.monotonic() - since > patienceMs) throw error;
    }
    await sleep(pauseMs(tries), { unref: true });
  }
}

const pauseMs = (tries: number) => Math.random() * Math.min(2 * tries, 10);

interface Job {
  readonly weight: number;
  work(): unknown;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

function createWriter(run: (sql: string) => number, path: string) {
  const waiting: Job[] = [];
  let scheduled = false;
  let busy = { tries: 0, since: 0 };
  let settled = () => {};
  const schedule = () => {
    scheduled = true;
    setImmediate(flush);
  };
  const flush = () => {
    const group = nextGroup(waiting);
    const left = runGroup(run, path, group);
    scheduled = false;
    if (left.length > 0) return postpone(left);
    busy = { tries: 0, since: 0 };
    if (waiting.length > 0) schedule();
    else settled();
  };
  const postpone = (left: readonly Job[]) => {
    busy = { tries: busy.tries + 1, since: busy.since || clock.monotonic() };
    if (clock.monotonic() - busy.since > patienceMs) {
      busy = { tries: 0, since: 0 };
      const error = sqliteError(path, new Error(`another process has held its write lock for ${patienceMs / 1000} s`));
      for (const job of left) job.reject(error);
    } else waiting.unshift(...left);
    scheduled = true;
    clock.after(pauseMs(busy.tries), flush, { unref: true });
  };
  return {
    write<T>(work: () => T, weight = 1): Promise<T> {
      if (!scheduled) schedule();
      return new Promise<T>((resolve, reject) => void waiting.push({ weight, work, resolve: resolve as (value: unknown) => void, reject }));
    },
    idle: () => new Promise<void>((resolve) => (scheduled ? (settled = resolve) : resolve())),
  };
}

function nextGroup(waiting: Job[]): readonly Job[] {
  let weight = 0;
  let count = 0;
  while (count < waiting.length && weight < batchSize) weight += waiting[count++]?.weight ?? 0;
  return waiting.splice(0, count);
}

/** One transaction for all; if one of them fails, one for each. Answers those that found the file locked. */
function runGroup(run: (sql: string) => number, path: string, group: readonly Job[]): readonly Job[] {
  if (group.length === 0) return group;
  try {
    run("begin immediate");
  } catch (error) {
    if (isBusy(error)) return group;
    for (const job of group) job.reject(sqliteError(path, error));
    return [];
  }
  try {
    const values = group.map((job) => job.work());
    run("commit");
    group.forEach((job, index) => job.resolve(values[index]));
    return [];
  } catch (error) {
    rollback(run);
    return runSingly(run, path, group, error);
  }
}

function runSingly(run: (sql: string) => number, path: string, group: readonly Job[], error: unknown): readonly Job[] {
  if (group.length === 1) group[0]?.reject(sqliteError(path, error));
  else for (const [index, job] of group.entries()) if (runGroup(run, path, [job]).length > 0) return group.slice(index);
  return [];
}

function rollback(run: (sql: string) => number): void {
  try {
    run("rollback");
  } catch {
    // SQLite has rolled back by itself: a full disk, an I/O error
  }
}
