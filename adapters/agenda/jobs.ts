/** Between deliveries and Agenda's jobs: ids, counts of crashes, and what a job becomes when its run has ended. */
import { createHash } from "node:crypto";
import type { Message, MessageState, Settlement } from "../../src/contract/index.ts";
import type { ServerClock } from "./clock.ts";
import type { AgendaLink, AgendaTable, Fence, Job, Unlocked } from "./table.ts";

type Data = { readonly extra?: { readonly task_id?: unknown } } | null | undefined;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const longestName = 200;

/** A name is kept in 255 characters: of a longer one the beginning, and a hash that keeps it apart from others. */
export function jobName(queue: string): string {
  if (queue.length <= longestName) return queue;
  const start = queue.slice(0, longestName - 40).replace(/[\ud800-\udbff]$/, "");
  return `${start}~${createHash("sha256").update(queue).digest("hex").slice(0, 32)}`;
}

/** NUL, and halves of surrogate pairs, which no database keeps as text. */
const unkept = /\0|\p{Surrogate}/u;
export const isPlain = (text: string): boolean => !unkept.test(text);

/** Agenda gives ids itself. One that a caller gave becomes the row's by its hash, so that the backend's own key keeps it unique; its text travels in the data. */
export function rowId(table: AgendaTable, name: string, id: string): string {
  return table.idFrom(createHash("sha256").update(`${name}\0${id}`).digest());
}

export function withId(body: Message["body"], id: string): unknown {
  if (!isObject(body)) return { raw: body, extra: { is_raw: true, task_id: id } };
  return { ...body, extra: { ...(isObject(body.extra) ? body.extra : {}), task_id: id } };
}

/** The id that its caller gave, else the row's own. An id in the data of others (a dead letter's) does not fit the row's. */
export function idOf(table: AgendaTable, job: Job): string {
  const given = (job.data as Data)?.extra?.task_id;
  const own = String(job._id);
  return typeof given === "string" && rowId(table, job.name, given) === own ? given : own;
}

export const fenceOf = (job: Job): Fence => ({ id: String(job._id), token: job.lastModifiedBy ?? null });

const crashesPattern = /\s*\(lost with its process, times: (\d+)\)$/;

/** Lost deliveries are counted in the text that people read: no other field survives a claim. */
export const crashesOf = (job: Job): number => Number(crashesPattern.exec(job.failReason ?? "")?.[1] ?? 0);

export function withCrashes(reason: string | undefined, crashes: number): string | null {
  const text = reason?.replace(crashesPattern, "") ?? "";
  return crashes === 0 ? text || null : `${text} (lost with its process, times: ${crashes})`.trimStart();
}

export const isRecurring = (job: Job): boolean => Boolean(job.repeatInterval || job.repeatAt);

/** The rows of these ids that are there, in the order of the ids. */
export async function loadJobs(
  { backend: { repository }, loadsOneByOne }: AgendaLink,
  name: string,
  ids: readonly string[],
): Promise<readonly Job[]> {
  if (ids.length === 0) return [];
  const jobs = loadsOneByOne
    ? await Promise.all(ids.map((id) => repository.getJobById(id)))
    : (await repository.queryJobs({ ids: [...ids] })).jobs;
  const found = new Map(jobs.flatMap((job) => (job?.name === name ? [[String(job._id), job as Job] as const] : [])));
  return ids.flatMap((id) => found.get(id) ?? []);
}

/** Others publish a call without arguments as no data at all. */
export const bodyOf = (job: Job): unknown => job.data ?? (job.startDate ? job.data : {});

/** `startDate` of our messages is when they were published; a job of `every()` has one of its own. */
export const publishedAtOf = (job: Job): number | undefined =>
  ((isRecurring(job) ? undefined : job.startDate) ?? job.nextRunAt)?.getTime();

export interface Endings {
  readonly time: ServerClock;
  readonly keepDone: boolean;
  readonly keepFailed: boolean;
  readonly owner: string;
  /** When a job of `every()` runs next. */
  next(job: Job): Date | null;
}

/** All that is left as it is. */
export function unchanged(job: Job, owner: string): Unlocked {
  return {
    ...fenceOf(job),
    nextRunAt: job.nextRunAt,
    rank: undefined,
    lastRunAt: job.lastRunAt ?? null,
    lastFinishedAt: job.lastFinishedAt ?? null,
    failedAt: job.failedAt ?? null,
    failCount: job.failCount ?? null,
    failReason: job.failReason ?? null,
    lastModifiedBy: owner,
  };
}

/** What the row becomes, in Agenda's own words. Undefined: it is removed. */
export function ended(
  job: Job,
  settlement: Settlement,
  { time, keepDone, keepFailed, owner, next }: Endings,
): Unlocked | undefined {
  const now = new Date(time.now());
  const recurring = isRecurring(job);
  const run = { ...unchanged(job, owner), lastRunAt: job.lockedAt ?? now };
  const again = (delayMs: number) => {
    const { at, rank } = time.ticket(delayMs);
    return { nextRunAt: at, rank: recurring ? undefined : rank }; // one that stays keeps its priority
  };
  const failed = (error: Error, crashes: number) => ({
    ...{ lastFinishedAt: now, failedAt: now, failCount: (job.failCount ?? 0) + 1 },
    failReason: withCrashes(String(error.message ?? error).replace(new RegExp(unkept, "gu"), "\ufffd"), crashes),
  });
  const nextRunAt = recurring ? next({ ...job, lastRunAt: run.lastRunAt }) : null;
  switch (settlement.outcome) {
    case "returned":
      return unchanged(job, owner);
    case "postponed":
      return { ...run, ...again(settlement.delayMs) };
    case "retry":
      return { ...run, ...failed(settlement.error, crashesOf(job)), ...again(settlement.delayMs) };
    case "done":
      return recurring || keepDone
        ? {
            ...run,
            lastFinishedAt: now,
            failCount: job.failCount ? 0 : null,
            failReason: withCrashes(job.failReason, 0),
            nextRunAt,
          }
        : undefined;
    case "failed":
      // The attempts of the next firing count from 1 again.
      return recurring || keepFailed
        ? { ...run, ...failed(settlement.error, 0), ...(recurring ? { failCount: 0 } : {}), nextRunAt }
        : undefined;
  }
}

export function stateOf(job: Job | undefined, now: number): MessageState {
  if (!job) return "unknown";
  if (job.lockedAt) return "running";
  if (job.nextRunAt) return job.nextRunAt.getTime() > now ? "delayed" : "waiting";
  return job.failedAt && !(job.lastFinishedAt && job.lastFinishedAt > job.failedAt) ? "failed" : "done";
}
