/** record: how each task ended, kept in the store. Rows of one tick are written together, and a task's acknowledgement waits for its row. */
import { hostname } from "node:os";
import { inspect } from "node:util";
import { boolean, type Check, checkMembers, durationAboveZero, isRecord, refuseOption, whole } from "./checks.ts";
import { clock } from "./clock.ts";
import type { Ended } from "./contract/broker.ts";
import type { Store } from "./contract/store.ts";
import { type Duration, durationMs } from "./duration.ts";
import type { FinalStatus } from "./errors.ts";
import { needsStore } from "./features.ts";
import { type Outcome, type TaskRecord, toRecord } from "./outcome.ts";
import { insisting } from "./persist.ts";
import type { Runtime } from "./runtime.ts";

export interface RecordParams {
  /** How long a row is kept. @default "7d" */
  readonly ttl?: Duration;
  /** Keep results in the rows. @default true */
  readonly results?: boolean;
  /** A row when a run starts, too. @default false */
  readonly running?: boolean;
}

export interface RecordOptions {
  readonly ttlMs: number;
  readonly results: boolean;
  readonly running: boolean;
}

/** A task's row: its record, and its arguments as text, cut at 1,000 characters. */
export interface TaskRow<R = unknown> extends Omit<TaskRecord<R>, "status"> {
  readonly status: FinalStatus | "running";
  readonly args: string;
}

export interface RecordsQuery {
  readonly status?: FinalStatus | "running";
  /** Not older than this, or than so long ago. @default as far as rows are kept */
  readonly since?: Date | Duration;
  /** Part of the arguments' text, the result or the error. */
  readonly text?: string;
  /** Newest first, at most so many, 1 to 100,000. @default 100 */
  readonly limit?: number;
}

/** Called for each end, with its row, before the task is acknowledged. */
export type OnRecord = (row: TaskRow) => unknown;

type Row = Outcome & { readonly args: string };

const hourMs = 3_600_000;
const longestArgs = 1_000;
const page = 1_000;
const statuses: readonly unknown[] = ["done", "failed", "dead", "cancelled", "expired", "filtered", "running"];

export const checkRecord: Check = (value, name) => {
  if (isRecord(value)) checkMembers(value, { ttl: durationAboveZero, results: boolean, running: boolean }, name);
  else if (typeof value !== "boolean") refuseOption(name, value, 'true, false, or { ttl: "7d", results: true, running: false }');
};

export function resolveRecord(record: boolean | RecordParams | undefined): RecordOptions | undefined {
  if (!record) return undefined;
  const { ttl = "7d", results = true, running = false } = record === true ? {} : record;
  return { ttlMs: durationMs(ttl, "record.ttl"), results, running };
}

const listKey = (scope: string, hour: number) => `records:${encodeURIComponent(scope)}:${hour}`;
const rowKey = (scope: string, id: string) => `record:${encodeURIComponent(scope)}:${id}`;

/** Resolves when the row is kept. */
export type Recorder = (id: string, args: string, ended: Omit<Ended, "status"> & { readonly status: Ended["status"] | "running" }) => Promise<void>;

export function createRecorder(runtime: Runtime, store: Store, { ttlMs, results }: RecordOptions): Recorder {
  const { scope, options } = runtime;
  let waiting: { readonly row: Row; readonly kept: () => void }[] = [];
  let writing = false;
  /** One batch after the other: the row of a start must not come behind that of the end. */
  const flush = async () => {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      const rows = batch.map(({ row }) => row);
      await insisting(runtime, () => write(store, scope, rows, ttlMs));
      for (const { kept } of batch) kept();
    }
    writing = false;
  };
  return (id, args, { result, ...ended }) =>
    new Promise((kept) => {
      const facts = { attempts: 1, endedAt: clock.now(), host: hostname(), pid: process.pid };
      const row = { id, queue: options.queue, ...facts, ...ended, ...(results && result !== undefined ? { result } : {}), args } as unknown as Row;
      waiting.push({ row, kept });
      if (!writing) setImmediate(flush);
      writing = true;
    });
}

async function write(store: Store, scope: string, rows: readonly Row[], ttlMs: number): Promise<void> {
  const hours = new Map<number, string[]>();
  for (const row of rows) {
    const hour = Math.floor(row.endedAt / hourMs);
    hours.set(hour, [...(hours.get(hour) ?? []), JSON.stringify(row)]);
  }
  await Promise.all([
    store.set([...new Map(rows.map((row) => [row.id, row])).values()].map((row) => ({ key: rowKey(scope, row.id), value: JSON.stringify(row), ttlMs }))),
    ...[...hours].map(([hour, lines]) => store.list.append(listKey(scope, hour), lines, ttlMs + hourMs)),
  ]);
}

/** As text, for a person to read and to search in. */
export function argsText(args: readonly unknown[]): string {
  const text = jsonOr(args, inspect);
  return text.length > longestArgs ? `${text.slice(0, longestArgs - 1)}…` : text;
}

/** What `convert` made need not be JSON. */
function jsonOr(value: unknown, other: (value: unknown) => string): string {
  try {
    return JSON.stringify(value, (_, member: unknown) => (typeof member === "bigint" ? String(member) : member));
  } catch {
    return other(value);
  }
}

export async function readRow({ store, scope }: Runtime, id: string): Promise<Outcome | undefined> {
  const [text] = store ? await store.get([rowKey(scope, id)]) : [];
  if (text === undefined) return undefined;
  const row = JSON.parse(text) as Outcome;
  return (row.status as string) === "running" ? undefined : row;
}

export async function queryRecords<R>(runtime: Runtime, query: RecordsQuery = {}): Promise<TaskRow<R>[]> {
  const { store, options, brokerName } = runtime;
  if (!store) throw needsStore(brokerName, "records()");
  checkQuery(query);
  const { limit = 100 } = query;
  const oldest = sinceMs(query.since, options.record?.ttlMs ?? 7 * 24 * hourMs);
  const seen = new Set<string>();
  const found: TaskRow<R>[] = [];
  for (let hour = Math.floor(clock.now() / hourMs) + 1; (hour + 1) * hourMs > oldest && found.length < limit; hour--) {
    for (const row of (await readHour(store, listKey(runtime.scope, hour))).reverse()) {
      if (found.length >= limit) break;
      if (seen.has(row.id)) continue; // its newer row has been met
      seen.add(row.id);
      if (row.endedAt >= oldest && matches(row, query)) found.push(toRecord<R>(row, options.errors) as unknown as TaskRow<R>);
    }
  }
  return found;
}

function checkQuery(query: RecordsQuery): void {
  checkMembers(
    { ...query },
    {
      status(value, name) {
        if (!statuses.includes(value)) refuseOption(name, value, statuses.map((each) => `"${each}"`).join(", "));
      },
      since(value, name) {
        if (!(value instanceof Date) || Number.isNaN(value.getTime())) durationMs(value as Duration, name);
      },
      text(value, name) {
        if (typeof value !== "string") refuseOption(name, value, "a text");
      },
      limit: whole(1, 100_000),
    },
  );
}

function sinceMs(since: Date | Duration | undefined, ttlMs: number): number {
  if (since instanceof Date) return Math.max(since.getTime(), clock.now() - ttlMs);
  return clock.now() - Math.min(ttlMs, since === undefined ? ttlMs : durationMs(since, "since"));
}

async function readHour(store: Store, key: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (;;) {
    const lines = await store.list.read(key, rows.length, page);
    for (const line of lines) rows.push(JSON.parse(line) as Row);
    if (lines.length < page) return rows;
  }
}

function matches(row: Row, { status, text }: RecordsQuery): boolean {
  if (status !== undefined && row.status !== status) return false;
  if (text === undefined) return true;
  return row.args.includes(text) || (row.error?.message.includes(text) ?? false) || (row.result !== undefined && JSON.stringify(row.result).includes(text));
}
