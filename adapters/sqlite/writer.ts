/**
 * Writing to a file that other processes write to: what one tick asks for is one transaction, and a lock is waited for
 * without blocking.
 */
import { clock, setImmediate, sleep } from "../../src/base/clock.ts";
import { sqliteError } from "./errors.ts";

/** Most rows in one transaction: about 2 ms, so that neither this event loop nor the other processes wait long. */
export const batchSize = 500;

export function* chunks<T>(list: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < list.length; from += batchSize) yield list.slice(from, from + batchSize);
}

/** How long a lock of another process is waited for. */
const patienceMs = 10_000;

const isBusy = (error: unknown) => /BUSY|LOCKED/.test((error as { code?: string }).code ?? "");

/** How often a lock was met in a row, and what to do about it. */
function createPatience() {
  let tries = 0;
  let since = 0;
  return {
    reset() {
      tries = 0;
    },
    /** How long to sleep before the next try; undefined when it has taken too long. */
    pauseMs(): number | undefined {
      if (tries === 0) since = clock.monotonic();
      tries += 1;
      if (clock.monotonic() - since <= patienceMs) return Math.random() * Math.min(2 * tries, 10);
      tries = 0;
      return undefined;
    },
  };
}

/** SQLite's own busy timeout blocks the event loop (measured: for as long as the lock lasts). So: try, sleep, try. */
export async function patiently<T>(work: () => T): Promise<T> {
  const patience = createPatience();
  for (;;) {
    try {
      return work();
    } catch (error) {
      const pauseMs = isBusy(error) ? patience.pauseMs() : undefined;
      if (pauseMs === undefined) throw error;
      await sleep(pauseMs, { unref: true });
    }
  }
}

interface Job {
  readonly weight: number;
  work(): unknown;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

export interface Transactions {
  /** Takes the write lock, or throws. */
  begin(): void;
  commit(): void;
  rollback(): void;
}

export function createWriter(transactions: Transactions, path: string) {
  const waiting: Job[] = [];
  const patience = createPatience();
  let scheduled = false;
  let emptied = () => {};
  const schedule = () => {
    scheduled = true;
    setImmediate(flush);
  };
  const flush = () => {
    const left = runGroup(transactions, path, nextGroup(waiting));
    if (left.length > 0) return postpone(left);
    patience.reset();
    scheduled = false;
    if (waiting.length > 0) schedule();
    else emptied();
  };
  const postpone = (left: readonly Job[]) => {
    const pauseMs = patience.pauseMs();
    if (pauseMs === undefined)
      rejectAll(left, path, new Error(`another process has held its write lock for ${patienceMs / 1000} s`));
    else waiting.unshift(...left);
    clock.after(pauseMs ?? 0, flush, { unref: true });
  };
  const write = <T>(work: () => T, weight = 1) => {
    if (!scheduled) schedule();
    return new Promise<T>(
      (resolve, reject) => void waiting.push({ weight, work, resolve: resolve as (value: unknown) => void, reject }),
    );
  };
  const idle = () => {
    const promise = new Promise<void>((resolve) => (emptied = resolve));
    if (!scheduled) emptied();
    return promise;
  };
  return { write, idle, isWaiting: () => waiting.length > 0 };
}

function rejectAll(jobs: readonly Job[], path: string, error: unknown): void {
  for (const job of jobs) job.reject(sqliteError(path, error));
}

function nextGroup(waiting: Job[]): readonly Job[] {
  let weight = 0;
  let count = 0;
  while (count < waiting.length && weight < batchSize) weight += waiting[count++]?.weight ?? 0;
  return waiting.splice(0, count);
}

/** One transaction for all; if one of them fails, one for each. Answers those that found the file locked. */
function runGroup(transactions: Transactions, path: string, group: readonly Job[]): readonly Job[] {
  if (group.length === 0) return group;
  try {
    transactions.begin();
  } catch (error) {
    if (isBusy(error)) return group;
    rejectAll(group, path, error);
    return [];
  }
  try {
    const values = group.map((job) => job.work());
    transactions.commit();
    for (const [index, job] of group.entries()) job.resolve(values[index]);
    return [];
  } catch (error) {
    rollback(transactions);
    return runSingly(transactions, path, group, error);
  }
}

function runSingly(transactions: Transactions, path: string, group: readonly Job[], error: unknown): readonly Job[] {
  if (group.length === 1) rejectAll(group, path, error);
  else
    for (const [index, job] of group.entries())
      if (runGroup(transactions, path, [job]).length > 0) return group.slice(index);
  return [];
}

function rollback(transactions: Transactions): void {
  try {
    transactions.rollback();
  } catch {
    // SQLite has rolled back by itself: a full disk, an I/O error
  }
}
