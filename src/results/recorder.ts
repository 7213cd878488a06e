/** record: how each task ended, kept in the store. Rows of one tick are written together. */
import { setImmediate } from "../base/clock.ts";
import { readStored } from "../base/json.ts";
import type { Delivery } from "../contract/broker.ts";
import type { SetEntry, Store } from "../contract/store.ts";
import type { ArgsTexts, RecordOptions, RowOutcome, TaskRow } from "../options/record.ts";
import type { OpenQueue, Recorder } from "../setup/model.ts";
import { insist } from "../store/insist.ts";
import { argsTexts } from "./args-text.ts";
import { newOutcome } from "./new-outcome.ts";

export const hourMs = 3_600_000;

export const listKey = (scope: string, hour: number) => `records:${encodeURIComponent(scope)}:${hour}`;
export const rowKey = (scope: string, id: string) => `record:${encodeURIComponent(scope)}:${id}`;

/** A row as it is written. */
interface Line extends Pick<RowOutcome, "id" | "endedAt"> {
  readonly publishedAt: number | undefined;
  readonly startedAt: number | undefined;
  readonly text: string;
}

/** A task and what keeps its rows: made at the first one. */
export interface RecordedTask extends OpenQueue {
  recorder: Recorder | undefined;
}

/** Undefined: it keeps no rows. */
export function recorderOf(task: RecordedTask): Recorder | undefined {
  const { options, store } = task;
  if (options.record && store) task.recorder ??= createRecorder(task, store, options.record);
  return task.recorder;
}

function createRecorder(task: OpenQueue, store: Store, { ttlMs, results }: RecordOptions): Recorder {
  const { scope } = task;
  let waiting: { readonly line: Line; readonly kept: () => void }[] = [];
  let writing = false;
  /** One batch after the other: the row of a start must not come behind that of the end. */
  const flush = async () => {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      const lines = batch.map(({ line }) => line);
      await insist(task, async () => write(store, scope, await withoutLate(task, store, lines), ttlMs));
      for (const { kept } of batch) kept();
    }
    writing = false;
  };
  return (outcome, args, json) =>
    new Promise((kept) => {
      const text = results ? (json ?? JSON.stringify(outcome)) : JSON.stringify(withoutResult(outcome));
      const { id, publishedAt, startedAt, endedAt } = outcome;
      const line = { id, publishedAt, startedAt, endedAt, text: `${text.slice(0, -1)},${argsMembers(args)}}` };
      waiting.push({ line, kept });
      if (!writing) setImmediate(flush);
      writing = true;
    });
}

function argsMembers({ text, json }: ArgsTexts): string {
  return json === undefined ? `"args":${JSON.stringify(text)}` : `"args":${JSON.stringify(text)},"argsValue":${json}`;
}

function withoutResult<T extends { readonly result?: unknown }>({ result: _, ...rest }: T): Omit<T, "result"> {
  return rest;
}

/**
 * Without what ended before, elsewhere: a run that took long may have lost its lease.
 * The end of a message that was published again is another.
 */
async function withoutLate(
  { leaseMs, scope }: OpenQueue,
  store: Store,
  lines: readonly Line[],
): Promise<readonly Line[]> {
  const doubtful = lines.filter(
    ({ startedAt, endedAt }) => startedAt !== undefined && endedAt - startedAt > leaseMs / 2,
  );
  if (doubtful.length === 0) return lines;
  const known = await store.get(doubtful.map(({ id }) => rowKey(scope, id)));
  const late = doubtful.filter((line, i) => {
    const { status, publishedAt, startedAt } = readStored<Partial<TaskRow>>(known[i]) ?? {};
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
    const row = `${text.slice(0, -1)},"ttlMs":${ttlMs}}`; // others of its hour may be kept longer
    if (texts) texts.push(row);
    else hours.set(hour, [row]);
    entries.push({ key: prefix + id, value: text, ttlMs });
  }
  await Promise.all([
    store.set(entries),
    ...[...hours].map(([hour, texts]) => store.list.append(listKey(scope, hour), texts, ttlMs + hourMs)),
  ]);
}

/** The row of a start. Nothing waits for it: the row of the end replaces it. */
export async function recordStart(
  task: RecordedTask,
  delivery: Delivery,
  startedAt: number,
  args: readonly unknown[],
): Promise<void> {
  const outcome = newOutcome(task.options.queue, delivery, startedAt, "done");
  await recorderOf(task)?.(
    { ...outcome, status: "running", endedAt: startedAt },
    argsTexts(args, task.options.record?.args),
  );
}
