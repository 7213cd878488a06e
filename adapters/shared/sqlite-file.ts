/** One SQLite file as this process sees it: one connection, grouped writes that never block the event loop, news of changes. */
import { FunboostError } from "../../src/errors.ts";
import { prepareFolder, sqliteError } from "./sqlite-path.ts";
import { watchFile } from "./sqlite-watch.ts";
import { createWriter, patiently } from "./sqlite-writer.ts";

/** A boolean aborts the whole process inside the driver: never bind one. */
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

/** JSON for `json_each`. Half a surrogate pair in it would abort the process inside the driver; UTF-8 has none anyway. */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value);
  if (!text.includes("\\ud")) return text;
  return JSON.stringify(value, (_key, part) => (typeof part === "string" ? (part as string & { toWellFormed(): string }).toWellFormed() : part));
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
