/** record: how each task ended, kept in the store. Rows of one tick are written together. */
import { clock, setImmediate, within } from "../base/clock.ts";
import { readStored } from "../base/json.ts";
import type { Delivery } from "../contract/broker.ts";
import type { SetEntry, Store } from "../contract/store.ts";
import type { ArgsTexts, RecordOptions, RowOutcome } from "../options/record.ts";
import type { OpenQueue, Recorder } from "../setup/model.ts";
import { insist } from "../store/insist.ts";
import { argsTexts } from "./args-text.ts";
import { newOutcome } from "./new-outcome.ts";
import { createRunLease } from "./run-lease.ts";

export const hourMs = 3_600_000;

export const listKey = (scope: string, hour: number) => `records:${encodeURIComponent(scope)}:${hour}`;
export const rowKey = (scope: string, id: string) => `record:${encodeURIComponent(scope)}:${id}`;

/** A store that hangs must hold no message that is to run again. */
const keepMs = 1_000;

/** A row as it is written. */
interface Line extends Pick<RowOutcome, "id" | "status" | "endedAt"> {
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
  const lease = createRunLease(task, store);
  let waiting: { readonly line: Line; readonly kept: () => void }[] = [];
  let writing = false;
  /** One batch after the other: the row of a start must not come behind that of the end. */
  const flush = async () => {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      const lines = batch.map(({ line }) => line);
      await insist(task, async () => {
        if (lines.some(({ status }) => status === "running")) await lease.hold();
        await write(store, task.scope, await withoutLate(task, store, lines), ttlMs);
      });
      for (const { kept } of batch) kept();
    }
    writing = false;
  };
  const keep = (line: Line) =>
    new Promise<void>((kept) => {
      waiting.push({ line, kept });
      if (!writing) setImmediate(flush);
      writing = true;
    });
  return {
    keep(outcome, args, json) {
      const text = results ? (json ?? JSON.stringify(outcome)) : JSON.stringify(withoutResult(outcome));
      return keep(toLine(outcome, text, outcome.status === "running" ? lease.id : undefined, args));
    },
    lease,
  };
}

function toLine(outcome: RowOutcome, text: string, lease: string | undefined, args: ArgsTexts): Line {
  const { id, status, publishedAt, startedAt, endedAt } = outcome;
  const members = lease === undefined ? argsMembers(args) : `"lease":"${lease}",${argsMembers(args)}`;
  return { id, status, publishedAt, startedAt, endedAt, text: `${text.slice(0, -1)},${members}}` };
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
  const late = doubtful.filter((line, i) => isLate(line, readStored<Partial<RowOutcome>>(known[i]) ?? {}));
  return lines.filter((line) => !late.includes(line));
}

function isLate(line: Line, { status, publishedAt, startedAt }: Partial<RowOutcome>): boolean {
  if (status === undefined || startedAt === line.startedAt) return false;
  if (line.status === "waiting") return true; // another run is under way, or has ended
  if (isUnended(status)) return false;
  return publishedAt !== undefined && publishedAt === line.publishedAt;
}

/** Of a row: its task has not ended. */
export const isUnended = (status: RowOutcome["status"]): status is "running" | "waiting" =>
  status === "running" || status === "waiting";

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
  const lists = Array.from(hours, ([hour, items]) => ({ key: listKey(scope, hour), items, ttlMs: ttlMs + hourMs }));
  await Promise.all([store.set(entries), store.list.append(lists)]);
}

/**
 * The row of a start. Nothing waits for it: the row of the end replaces it. Answers what is to be called when the run
 * is over; `again`: the task is not.
 */
export function recordStart(
  task: RecordedTask,
  delivery: Delivery,
  startedAt: number,
  args: readonly unknown[],
  job?: string,
): ((again: boolean) => Promise<void>) | undefined {
  const recorder = recorderOf(task);
  if (!recorder) return undefined;
  const outcome = newOutcome({ queue: task.options.queue, job }, delivery, startedAt, "done");
  void recorder.keep({ ...outcome, status: "running", endedAt: startedAt }, argsTexts(args, task.options.record?.args));
  recorder.lease.begin();
  return async (again) => {
    recorder.lease.end();
    if (!again) return;
    const row: RowOutcome = { ...outcome, status: "waiting", endedAt: clock.now() };
    await within(recorder.keep(row, { text: "", json: undefined }), keepMs, { unref: true });
  };
}
