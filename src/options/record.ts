/** The option `record`, and the rows that it keeps. */
import { type Duration, durationMs } from "../base/duration.ts";
import type { FinalStatus } from "../contract/broker.ts";
import type { Outcome, TaskRecord } from "../task/outcome.ts";
import { boolean, type Check, checkMembers, durationAboveZero, isRecord, refuseOption } from "./checks.ts";

export interface RecordParams {
  /** How long a row is kept. @default "7d" */
  readonly ttl?: Duration;
  /** Keep results in the rows. @default true */
  readonly results?: boolean;
  /** A row when a run starts, too. It reads as "lost" when the run's process has died. @default false */
  readonly running?: boolean;
  /** Keep the arguments as values too, whole, in `argsValue`. @default false */
  readonly args?: boolean;
}

export interface RecordOptions {
  readonly ttlMs: number;
  readonly results: boolean;
  readonly running: boolean;
  readonly args: boolean;
}

/**
 * A task's row: its record, and its arguments as text, cut at 1,000 characters, to be read and searched. Of a run that
 * has not ended, `endedAt` is its start.
 */
export interface TaskRow<R = unknown> extends Omit<TaskRecord<R>, "status"> {
  /** "lost": its process has died, or has not renewed its lease; it may run again. */
  readonly status: FinalStatus | "running" | "lost";
  readonly args: string;
  /**
   * The arguments as JSON carries them: with `record: { args: true }`, where they are known. An integer that a number
   * cannot hold, as others may have sent, is a BigInt.
   */
  readonly argsValue?: readonly unknown[];
}

/** A row as it is made. "waiting": the run of its start has ended, and the task has not. */
export type RowOutcome = Omit<Outcome, "status"> & { readonly status: FinalStatus | "running" | "waiting" };

/** The arguments of a row as it is made. */
export interface ArgsTexts {
  /** Cut. */
  readonly text: string;
  /** Whole, where `record.args` asks and JSON can carry them. */
  readonly json: string | undefined;
}

/** Called for each end, with its row, before the task is acknowledged. */
export type OnRecord = (row: TaskRow) => unknown;

const recordChecks = { ttl: durationAboveZero, results: boolean, running: boolean, args: boolean };

export const checkRecord: Check = (value, name) => {
  if (isRecord(value)) checkMembers(value, recordChecks, name);
  else if (typeof value !== "boolean")
    refuseOption(name, value, 'true, false, or { ttl: "7d", results: true, running: false, args: false }');
};

export function resolveRecord(record: boolean | RecordParams | undefined): RecordOptions | undefined {
  if (!record) return undefined;
  const { ttl = "7d", results = true, running = false, args = false } = record === true ? {} : record;
  return { ttlMs: durationMs(ttl, "record.ttl"), results, running, args };
}
