/** records(): the rows that are kept, the newest first. */
import { clock } from "../base/clock.ts";
import { type Duration, durationMs } from "../base/duration.ts";
import { readStored } from "../base/json.ts";
import type { Store } from "../contract/store.ts";
import { checkMembers, refuseOption, whole } from "../options/checks.ts";
import type { RowOutcome, TaskRow } from "../options/record.ts";
import type { OpenQueue } from "../setup/model.ts";
import { requireStore } from "../store/require-store.ts";
import { type Outcome, toRecord } from "../task/outcome.ts";
import { hourMs, isUnended, listKey, rowKey } from "./recorder.ts";
import { endedLeases } from "./run-lease.ts";

export interface RecordsQuery {
  readonly status?: TaskRow["status"];
  /** Not older than this, or than so long ago. @default as far as rows are kept */
  readonly since?: Date | Duration;
  /** Part of the arguments' text, the result or the error. */
  readonly text?: string;
  /** Newest first, at most so many, 1 to 100,000. @default 100 */
  readonly limit?: number;
}

/** As it is kept. In the list of its hour with `ttlMs`: how long; absent on rows of older versions. */
type Row = RowOutcome & Pick<TaskRow, "args"> & { readonly ttlMs?: number; readonly lease?: string };
/** As it is read. */
type ReadRow = Omit<Row, "status" | "ttlMs" | "lease"> & Pick<TaskRow, "status">;

const page = 1_000;

const statuses: readonly unknown[] = ["done", "failed", "dead", "cancelled", "expired", "filtered", "running", "lost"];

/** Of a task that has ended. */
export async function readRow(task: OpenQueue, id: string): Promise<Outcome | undefined> {
  const row = await findRow(task, id);
  return row && !isUnended(row.status) ? (row as Outcome) : undefined;
}

/** Of a task that has ended, or that was lost while it ran. */
export async function readRowOrLost(task: OpenQueue, id: string): Promise<ReadRow | undefined> {
  const row = await findRow(task, id);
  if (!row || !task.store) return undefined;
  const read = toRead(row, await endedOf(task.store, task.scope, [row]));
  return read?.status === "running" ? undefined : read;
}

async function findRow({ store, scope }: OpenQueue, id: string): Promise<Row | undefined> {
  const [text] = store ? await store.get([rowKey(scope, id)]) : [];
  return readStored<Row>(text);
}

/** The leases of these rows that are over. */
function endedOf(store: Store, scope: string, rows: readonly Row[]): Promise<ReadonlySet<string>> {
  return endedLeases(
    store,
    scope,
    rows.flatMap(({ status, lease }) => (status === "running" && lease !== undefined ? [lease] : [])),
  );
}

/** With its status of now. Undefined: its task waits. */
function toRead({ status, ttlMs: _, lease, ...row }: Row, ended: ReadonlySet<string>): ReadRow | undefined {
  if (status === "waiting") return undefined;
  return { ...row, status: lease !== undefined && ended.has(lease) ? "lost" : status };
}

export async function queryRecords<R>(task: OpenQueue, query: RecordsQuery = {}): Promise<TaskRow<R>[]> {
  const { options } = task;
  const store = requireStore(task, "records()");
  checkQuery(query);
  const { limit = 100 } = query;
  const oldest = sinceMs(query.since, options.record?.ttlMs ?? 7 * 24 * hourMs);
  const seen = new Set<string>();
  const found: TaskRow<R>[] = [];
  for (const hour of await filledHours(store, task.scope, oldest)) {
    if (found.length >= limit) break;
    const rows = newest(await readHour(store, listKey(task.scope, hour)), seen);
    const ended = await endedOf(store, task.scope, rows);
    for (const each of rows) {
      if (found.length >= limit) break;
      const row = each.endedAt >= oldest && !isOver(each) ? toRead(each, ended) : undefined;
      if (row && isOf(row, options.job) && matches(row, query))
        found.push(toRecord<R>(row as Outcome, options.errors) as unknown as TaskRow<R>);
    }
  }
  return found;
}

/** The newest first, and of each task the newest alone; `seen` are those of the hours behind it. */
function newest(rows: readonly Row[], seen: Set<string>): Row[] {
  return rows.toReversed().filter(({ id }) => !seen.has(id) && seen.add(id));
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
  for (let from = 0; ; from += page) {
    const lines = await store.list.read(key, from, page);
    for (const line of lines) {
      const row = readStored<Row>(line);
      if (row) rows.push(row);
    }
    if (lines.length < page) return rows;
  }
}

/** By its own ttl: who asks may keep rows for longer than who wrote it. */
function isOver({ endedAt, ttlMs = Number.POSITIVE_INFINITY }: Row): boolean {
  return endedAt + ttlMs < clock.now();
}

/** A queue's rows lie together. A task without a name sees them all. */
function isOf({ job }: ReadRow, own: string | undefined): boolean {
  return own === undefined || own === job;
}

function matches(row: ReadRow, { status, text }: RecordsQuery): boolean {
  if (status !== undefined && row.status !== status) return false;
  if (text === undefined) return true;
  return (
    row.args.includes(text) ||
    (row.error?.message.includes(text) ?? false) ||
    (row.result !== undefined && JSON.stringify(row.result).includes(text))
  );
}
