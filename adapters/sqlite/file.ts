/**
 * One SQLite file as this process sees it: one connection, grouped writes that never block the event loop, news of
 * changes.
 */
import { FunboostError } from "../../src/base/errors.ts";
import { sqliteError } from "./errors.ts";
import { createPresence, prepareFolder } from "./presence.ts";
import { watchFile } from "./watch.ts";
import { createWriter, patiently } from "./writer.ts";

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
  /**
   * The first row's column `j`, a BLOB of JSON: one text crosses the driver three times faster than 500 rows, and as
   * bytes it may hold a NUL, or what is no UTF-8: that would abort the process inside the driver.
   */
  json<T>(sql: string, values?: readonly SqlValue[]): T;
  read<T>(work: () => T): Promise<T>;
  /** Behind the writes that wait, in their transaction; with none it is a read. */
  readInOrder<T>(work: () => T): Promise<T>;
  /**
   * Runs `work` in a write transaction, with what else was asked for in this tick. It may run more than once: no
   * effects outside the file.
   */
  write<T>(work: () => T, weight?: number): Promise<T>;
  /** Tells those who listen in this process that there is something new. */
  announce(topic: string): void;
  /** Called after `announce`, and whenever another process has written. */
  listen(topic: string, listener: () => void): () => void;
  /** The last one out closes the connection. */
  release(): Promise<void>;
}

const files = new Map<string, Promise<{ file: SqliteFile; join(synchronous: Synchronous): SqliteFile }>>();

export type Synchronous = "normal" | "full";

/** The tables of the broker, or of the store. */
export interface Part {
  readonly name: string;
  readonly version: number;
  readonly schema: string;
  /** Tables that came later, if they do not exist. */
  readonly later?: string;
  /** Columns that came later. Older versions go on with a file that has them. */
  readonly added?: readonly { readonly table: string; readonly column: string; readonly type: string }[];
}

/** Opens the file, and makes the tables of one part where they are missing. */
export async function openFile(
  Driver: SqliteDriver,
  path: string,
  synchronous: Synchronous,
  part: Part,
): Promise<SqliteFile> {
  const file = await join(Driver, path, synchronous);
  try {
    await file.write(() => applySchema(file, part));
    return file;
  } catch (error) {
    await file.release();
    throw error;
  }
}

async function join(Driver: SqliteDriver, path: string, synchronous: Synchronous): Promise<SqliteFile> {
  const key = prepareFolder(path);
  const known = files.get(key) ?? share(Driver, key);
  try {
    const shared = await known;
    // Closed by its last user in the meantime: open it anew.
    return files.get(key) === known ? shared.join(synchronous) : await join(Driver, path, synchronous);
  } catch (error) {
    if (files.get(key) === known) files.delete(key);
    throw sqliteError(path, error);
  }
}

/**
 * JSON for `json_each`. Half a surrogate pair in it would abort the process inside the driver; UTF-8 has none anyway.
 */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value);
  if (!text.includes("\\ud")) return text;
  return JSON.stringify(value, (_key, part) => (typeof part === "string" ? wellFormed(part) : part));
}

/** Column `j` for `json`: a list with an entry for each row. */
export const listOf = (entry: string) => `cast(json_group_array(${entry}) as blob) as j`;

/** Text columns as entries of it, whatever type a foreign row has in them: JSON has no place for a BLOB. */
export const texts = (...columns: readonly string[]) => columns.map((column) => `cast(${column} as text)`).join(", ");

function share(Driver: SqliteDriver, path: string) {
  const shared = connect(Driver, path, () => {
    if (files.get(path) === shared) files.delete(path);
  });
  files.set(path, shared);
  return shared;
}

const settings = `
pragma synchronous = normal;
pragma temp_store = memory;
pragma cache_size = -16000;
pragma journal_size_limit = 67108864;
`;

async function connect(Driver: SqliteDriver, path: string, forget: () => void) {
  const db = new Driver(path, { timeout: 0 });
  await patiently(() => db.prepare("pragma journal_mode = wal").get([]));
  // A file that cannot be written is refused now, not at the first publish.
  await patiently(() => db.exec("begin immediate; commit"));
  db.exec(settings);
  let users = 0;
  const file = createFile(db, path, async (close) => {
    users -= 1;
    if (users > 0) return;
    forget();
    await close();
  });
  const presence = createPresence(path);
  const join = (synchronous: Synchronous) => {
    presence.check();
    users += 1;
    if (synchronous === "full") db.exec("pragma synchronous = full"); // who asks for more decides for all
    return file;
  };
  return { file, join };
}

function createFile(db: Connection, path: string, leave: (close: () => Promise<void>) => Promise<void>): SqliteFile {
  const { run, get, json, clear } = createStatements(db);
  const presence = createPresence(path);
  const begin = () => {
    presence.check();
    run("begin immediate");
  };
  const { write, idle, isWaiting } = createWriter(
    { begin, commit: () => void run("commit"), rollback: () => void run("rollback") },
    path,
  );
  const news = watchFile(path, () => get<{ data_version: number }>("pragma data_version")?.data_version);
  const read = async <T>(work: () => T) => {
    try {
      presence.check();
      return await patiently(work);
    } catch (error) {
      throw sqliteError(path, error);
    }
  };
  const close = async () => {
    await idle();
    news.close();
    clear();
    if (presence.isGone()) strandedConnections.push(db);
    else closeConnection(db);
  };
  return {
    ...{ path, run, get, json, read },
    readInOrder: (work) => (isWaiting() ? write(work) : read(work)),
    write,
    announce: news.announce,
    listen: news.listen,
    release: () => leave(close),
  };
}

/** Each SQL text is prepared once. */
function createStatements(db: Connection) {
  const statements = new Map<string, Statement>();
  const prepared = (sql: string) => {
    const known = statements.get(sql) ?? db.prepare(sql);
    statements.set(sql, known);
    return known;
  };
  const get = <T>(sql: string, values: readonly SqlValue[] = []) => prepared(sql).get(values) as T | undefined;
  return {
    get,
    run: (sql: string, values: readonly SqlValue[] = []) => prepared(sql).run(values).changes,
    json: <T>(sql: string, values?: readonly SqlValue[]) =>
      JSON.parse(get<{ j: Buffer }>(sql, values)?.j.toString() ?? "null") as T,
    clear: () => statements.clear(),
  };
}

function applySchema(file: SqliteFile, { name, version, schema, later = "", added = [] }: Part): void {
  const make = (tables: string) => {
    for (const statement of tables.split(/;\s*$/m)) if (statement.trim() !== "") file.run(statement);
  };
  file.run("create table if not exists funboost_schema (part text primary key, version integer not null)");
  const found =
    file.get<{ version: number }>("select version from funboost_schema where part = ?", [name])?.version ?? 0;
  if (found > version) {
    const what = `${name} version ${found}, this one knows ${version}`;
    const text = `the file ${JSON.stringify(file.path)} was written by a newer funboost (${what}).`;
    throw new FunboostError("BROKER_REFUSED", `${text} Update funboost, or use another file.`, { where: "sqlite" });
  }
  if (found < version) make(schema);
  make(later);
  addColumns(file, added);
  if (found < version) file.run("insert into funboost_schema (part, version) values (?, ?)", [name, version]);
}

function addColumns(file: SqliteFile, added: NonNullable<Part["added"]>): void {
  for (const { table, column, type } of added) {
    const [{ n }] = [file.get<{ n: number }>(countColumn, [table, column]) ?? { n: 0 }];
    if (n === 0) file.run(`alter table ${table} add column ${column} ${type}`);
  }
}

const countColumn = "select count(*) as n from pragma_table_info(?) where name = ?";

/** Connections to files that were deleted. Closing one would delete the -wal of the file that took its place. */
const strandedConnections: Connection[] = [];

function closeConnection(db: Connection): void {
  try {
    // Leaves the whole content in the main file, for whoever copies it.
    db.prepare("pragma wal_checkpoint(truncate)").get([]);
  } catch {
    // in use by others: the next connection does it
  }
  db.close();
}

/** Half a surrogate pair is no UTF-8: it becomes U+FFFD. */
export const wellFormed = (text: string): string => (text as string & { toWellFormed(): string }).toWellFormed();
