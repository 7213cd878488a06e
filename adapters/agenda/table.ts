/** What the adapter needs of a backend that its repository cannot do under a fence, under an id, or in one step. */
import type { JobParameters } from "agenda";
import type { Counts } from "../../src/contract/index.ts";

/** A job as a backend's repository hands it out. */
export type Job = JobParameters<unknown>;

/** A new row. `id` has the backend's own form. */
export interface NewJob {
  readonly id: string;
  /** A value where the backend keeps values, else its JSON text. */
  readonly data: unknown;
  readonly nextRunAt: Date;
  /** Its place among those of one millisecond. */
  readonly rank: number;
  /** Undefined: a job of others. */
  readonly publishedAt: Date | undefined;
  readonly failCount: number | null;
}

/**
 * One lock: `token` is what its claim wrote as `lastModifiedBy`. It is void as soon as anybody else writes to the row.
 */
export interface Fence {
  readonly id: string;
  readonly token: string | null;
  /** Only while the lock is not newer than this. */
  readonly notAfter?: Date;
}

/** What a row becomes when its lock is given back. */
export interface UnlockedRow extends Fence {
  readonly nextRunAt: Date | null;
  /** Undefined: its priority stays, and its place among those of one millisecond where `nextRunAt` does. */
  readonly rank: number | undefined;
  readonly lastRunAt: Date | null;
  readonly lastFinishedAt: Date | null;
  readonly failedAt: Date | null;
  readonly failCount: number | null;
  readonly failReason: string | null;
  readonly lastModifiedBy: string;
}

export interface Claim {
  readonly token: string;
  readonly now: Date;
  readonly count: number;
}

/** Each list is one round trip; each answer says for each entry whether it held. */
export interface AgendaTable {
  /** True: it takes values. */
  readonly keepsValues?: boolean;
  /** What its JSON text must not hold, and how to say so. */
  readonly unfit?: { readonly pattern: RegExp; readonly says: string };
  newId(): string;
  /** An id in the backend's form, made of 16 or more bytes. */
  idFrom(bytes: Buffer): string;
  isId(text: string): boolean;
  /** Epoch milliseconds by the server's clock. */
  now(): Promise<number>;
  /** False: there is a row of this id. */
  insert(name: string, jobs: readonly NewJob[]): Promise<readonly boolean[]>;
  /**
   * Locks the first jobs that are due and free, in order; answers their ids. Absent: the repository takes one after
   * another.
   */
  claim?(name: string, claim: Claim): Promise<readonly string[]>;
  /** Makes a row readable whose members are no JSON. Absent: the database holds none. */
  repair?(id: string): Promise<void>;
  remove(name: string, fences: readonly Fence[]): Promise<readonly boolean[]>;
  unlock(name: string, rows: readonly UnlockedRow[]): Promise<readonly boolean[]>;
  renew(fences: readonly Fence[], lockedAt: Date): Promise<readonly boolean[]>;
  /** Ids of locked rows whose lock was taken by us before `ours`, or by others before `others`. */
  expired(name: string, ours: Date, others: Date): Promise<readonly string[]>;
  /** Jobs of a name, where their number makes all calls slower. */
  stored?(name: string): Promise<number>;
  counts(name: string, now: Date): Promise<Required<Counts>>;
  /** When the next waiting job is due that is not due yet; may be too soon. */
  nextDueAt(name: string, now: Date): Promise<number | undefined>;
  /** Ids of the first `n` that are due, in order. */
  first(name: string, n: number, now: Date): Promise<readonly string[]>;
  /** Removes those of these rows (default: all) that wait or are delayed; answers their ids. */
  removeWaiting(name: string, ids?: readonly string[]): Promise<readonly string[]>;
  /** Only what waits or is delayed. */
  reschedule(name: string, id: string, nextRunAt: Date): Promise<boolean>;
  /** The same. `data` as in a new row. */
  update(name: string, id: string, data: unknown): Promise<boolean>;
}

/** Begins the `lastModifiedBy` of every lock of ours. */
export const ownerPrefix = "funboost:";

export const iso = (date: Date | null | undefined): string | null => date?.toISOString() ?? null;
