/** records(): the rows that are kept, the newest first. */
import { clock } from "../base/clock.ts";
import { type Duration, durationMs } from "../base/duration.ts";
import { parseJson } from "../base/json.ts";
import type { FinalStatus } from "../contract/broker.ts";
import type { Store } from "../contract/store.ts";
import { checkMembers, refuseOption, whole } from "../options/checks.ts";
import type { RowOutcome, TaskRow } from "../options/record.ts";
import type { OpenQueue } from "../setup/model.ts";
import { requireStore } from "../store/require-store.ts";
import { type Outcome, toRecord } from "../task/outcome.ts";
import { hourMs, listKey, rowKey } from "./recorder.ts";

export interface RecordsQuery {
  readonly status?: FinalStatus | "running";
  /** Not older than this, or than so long ago. @default as far as rows are kept */
  readonly since?: Date | Duration;
  /** Part of the arguments' text, the result or the error. */
  readonly text?: string;
  /** Newest first, at most so many, 1 to 100,000. @default 100 */
  readonly limit?: number;
}

type Row = RowOutcome & Pick<TaskRow, "args">;

const page = 1_000;

const statuses: readonly unknown[] = ["done", "failed", "dead", "cancelled", "expired", "filtered", "running"];

export async function readRow({ store, scope }: OpenQueue, id: string): Promise<Outcome | undefined> {
  const [text] = store ? await store.get([rowKey(scope, id)]) : [];
  if (text === undefined) return undefined;
  const row = parseJson(text) as Outcome;
  return (row.status as string) === "running" ? undefined : row;
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
    for (const row of (await readHour(store, listKey(task.scope, hour))).reverse()) {
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
    for (const line of lines) rows.push(parseJson(line) as Row);
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
