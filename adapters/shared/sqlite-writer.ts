/** Writing to a file that other processes write to: what one tick asks for is one transaction, and a lock is waited for without blocking. */
import { clock, sleep } from "../../src/clock.ts";
import { sqliteError } from "./sqlite-path.ts";

/** Most rows in one transaction: about 2 ms, so that neither this event loop nor the other processes wait long. */
export const batchSize = 500;
/** How long a lock of another process is waited for. */
const patienceMs = 10_000;

const isBusy = (error: unknown) => /BUSY|LOCKED/.test((error as { code?: string }).code ?? "");

/** SQLite's own busy timeout blocks the event loop (measured: for as long as the lock lasts). So: try, sleep, try. */
export async function patiently<T>(work: () => T): Promise<T> {
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

export function createWriter(run: (sql: string) => number, path: string) {
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
    idle: () =>
      new Promise<void>((resolve) => {
        settled = resolve;
        if (!scheduled) resolve();
      }),
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
    for (const [index, job] of group.entries()) job.resolve(values[index]);
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
