/** record: how each task ended, kept in the store. Rows of one tick are written together, and a task's acknowledgement waits for its row. */
import { inspect } from "node:util";
import { clock } from "../base/clock.ts";
import { type Duration, durationMs } from "../base/duration.ts";
import type { FinalStatus } from "../base/errors.ts";
import type { SetEntry, Store } from "../contract/store.ts";
import {
  boolean,
  type Check,
  checkMembers,
  durationAboveZero,
  isRecord,
  refuseOption,
  whole,
} from "../options/checks.ts";
import { needsStore } from "../setup/features.ts";
import type { Runtime } from "../setup/open.ts";
import { insisting } from "../store/insist.ts";
import { type Outcome, type TaskRecord, toRecord } from "../task/outcome.ts";

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

type Row = Ending & Pick<TaskRow, "args">;

const hourMs = 3_600_000;
const longestArgs = 1_000;
const page = 1_000;
const statuses: readonly unknown[] = ["done", "failed", "dead", "cancelled", "expired", "filtered", "running"];

export const checkRecord: Check = (value, name) => {
  if (isRecord(value)) checkMembers(value, { ttl: durationAboveZero, results: boolean, running: boolean }, name);
  else if (typeof value !== "boolean")
    refuseOption(name, value, 'true, false, or { ttl: "7d", results: true, running: false }');
};

export function resolveRecord(record: boolean | RecordParams | undefined): RecordOptions | undefined {
  if (!record) return undefined;
  const { ttl = "7d", results = true, running = false } = record === true ? {} : record;
  return { ttlMs: durationMs(ttl, "record.ttl"), results, running };
}

const listKey = (scope: string, hour: number) => `records:${encodeURIComponent(scope)}:${hour}`;
const rowKey = (scope: string, id: string) => `record:${encodeURIComponent(scope)}:${id}`;

type Ending = Omit<Outcome, "status"> & Pick<TaskRow, "status">;

/** Resolves when the row is kept. `json`: the outcome, where its text is there already. */
export type Recorder = (outcome: Ending, args: string, json?: string) => Promise<void>;

/** A row as it is written. */
interface Line extends Pick<Ending, "id" | "endedAt"> {
  readonly publishedAt: number | undefined;
  readonly startedAt: number | undefined;
  readonly text: string;
}

export function createRecorder(runtime: Runtime, store: Store, { ttlMs, results }: RecordOptions): Recorder {
  const { scope } = runtime;
  let waiting: { readonly line: Line; readonly kept: () => void }[] = [];
  let writing = false;
  /** One batch after the other: the row of a start must not come behind that of the end. */
  const flush = async () => {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      const lines = batch.map(({ line }) => line);
      await insisting(runtime, async () => write(store, scope, await inTime(runtime, store, lines), ttlMs));
      for (const { kept } of batch) kept();
    }
    writing = false;
  };
  return (outcome, args, json) =>
    new Promise((kept) => {
      const text = results ? (json ?? JSON.stringify(outcome)) : JSON.stringify(withoutResult(outcome));
      const { id, publishedAt, startedAt, endedAt } = outcome;
      waiting.push({
        line: { id, publishedAt, startedAt, endedAt, text: `${text.slice(0, -1)},"args":${JSON.stringify(args)}}` },
        kept,
      });
      if (!writing) setImmediate(flush);
      writing = true;
    });
}

function withoutResult<T extends { readonly result?: unknown }>({ result: _, ...rest }: T): Omit<T, "result"> {
  return rest;
}

/** Without what ended before, elsewhere: a run that took long may have lost its lease. The end of a message that was published again is another. */
async function inTime({ leaseMs, scope }: Runtime, store: Store, lines: readonly Line[]): Promise<readonly Line[]> {
  const doubtful = lines.filter(
    ({ startedAt, endedAt }) => startedAt !== undefined && endedAt - startedAt > leaseMs / 2,
  );
  if (doubtful.length === 0) return lines;
  const known = await store.get(doubtful.map(({ id }) => rowKey(scope, id)));
  const late = doubtful.filter((line, i) => {
    const { status, publishedAt, startedAt } = JSON.parse(known[i] ?? "{}") as Partial<TaskRow>;
    return (
      status !== undefined &&
      status !== "running" &&
      publishedAt !== undefined &&
      publishedAt === line.publishedAt &&
      startedAt !== line.startedAt
    );
  });
  return lines.filter((line) => !late.includes(line));
}

async function write(store: Store, scope: string, lines: readonly Line[], ttlMs: number): Promise<void> {
  const hours = new Map<number, string[]>();
  const entries: SetEntry[] = []; // two of one task: the later one stays
  const prefix = rowKey(scope, "");
  for (const { id, endedAt, text } of lines) {
    const hour = Math.floor(endedAt / hourMs);
    const texts = hours.get(hour);
    if (texts) texts.push(text);
    else hours.set(hour, [text]);
    entries.push({ key: prefix + id, value: text, ttlMs });
  }
  await Promise.all([
    store.set(entries),
    ...[...hours].map(([hour, texts]) => store.list.append(listKey(scope, hour), texts, ttlMs + hourMs)),
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
    return JSON.stringify(value);
  } catch {
    // a bigint, or worse
  }
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
  for (const hour of await filledHours(store, runtime.scope, oldest)) {
    if (found.length >= limit) break;
    for (const row of (await readHour(store, listKey(runtime.scope, hour))).reverse()) {
      if (found.length >= limit) break;
      if (seen.has(row.id)) continue; // its newer row has been met
      seen.add(row.id);
      if (row.endedAt >= oldest && matches(row, query))
        found.push(toRecord<R>(row as Outcome, options.errors) as unknown as TaskRow<R>);
    }
  }
  return found;
}

/** The newest first. Most hours of a week are empty: asked one after the other these cost more than all rows. */
async function filledHours(store: Store, scope: string, oldestMs: number): Promise<readonly number[]> {
  const newest = Math.floor(clock.now() / hourMs) + 1;
  const hours = Array.from({ length: newest - Math.floor(oldestMs / hourMs) + 1 }, (_, i) => newest - i);
  const heads = await Promise.all(hours.map((hour) => store.list.read(listKey(scope, hour), 0, 1)));
  return hours.filter((_, i) => (heads[i]?.length ?? 0) > 0);
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
  return (
    row.args.includes(text) ||
    (row.error?.message.includes(text) ?? false) ||
    (row.result !== undefined && JSON.stringify(row.result).includes(text))
  );
}
