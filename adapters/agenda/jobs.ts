/** What is read from Agenda's jobs: bodies, times, states, and how often a job was lost with its process. */
import type { MessageState } from "../../src/contract/index.ts";
import type { AgendaLink } from "./link.ts";
import type { AgendaTable, Fence, Job } from "./table.ts";

type Repository = AgendaLink["backend"]["repository"];

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
  { backend: { repository }, table, loadsOneByOne }: AgendaLink,
  name: string,
  ids: readonly string[],
): Promise<readonly Job[]> {
  if (ids.length === 0) return [];
  const jobs = loadsOneByOne
    ? await Promise.all(ids.map((id) => loadOne(repository, table, id)))
    : (await repository.queryJobs({ ids: [...ids] })).jobs;
  const found = new Map(
    jobs.flatMap((job) => (job?.name === name ? [[String(job._id), soundJob(job as Job)] as const] : [])),
  );
  return ids.flatMap((id) => found.get(id) ?? []);
}

/** Where others have written what the repository cannot read, it is made readable: the text of it is a bad message. */
async function loadOne(repository: Repository, table: AgendaTable, id: string) {
  try {
    return await repository.getJobById(id);
  } catch (error) {
    if (!(error instanceof SyntaxError) || !table.repair) throw error;
    await table.repair(id);
    return repository.getJobById(id);
  }
}

const dates = ["nextRunAt", "lastRunAt", "lastFinishedAt", "failedAt", "startDate"] as const;

/** Others may write anything into a row of a database without types; what reads it here counts and compares. */
export function soundJob(job: Job): Job {
  const row = job as unknown as Record<string, unknown>; // whatever its type says
  for (const date of dates) {
    const value = row[date];
    if (value && !(value instanceof Date && Number.isFinite(value.getTime()))) row[date] = undefined;
  }
  if (!Number.isFinite(row.failCount ?? 0)) row.failCount = undefined;
  if (row.failReason && typeof row.failReason !== "string") row.failReason = String(row.failReason);
  return job;
}

/** Others publish a call without arguments as no data at all. */
export const bodyOf = (job: Job): unknown => job.data ?? (job.startDate ? job.data : {});

/** `startDate` of our messages is when they were published; a job of `every()` has one of its own. */
export const publishedAtOf = (job: Job): number | undefined =>
  ((isRecurring(job) ? undefined : job.startDate) ?? job.nextRunAt)?.getTime();

/** Agenda's own options of a job, as far as it has some. */
export function optionsOf({ priority, repeatInterval, repeatTimezone, repeatAt }: Job): Record<string, unknown> {
  const given = Object.entries({ priority, repeatInterval, repeatTimezone, repeatAt });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined && value !== null));
}

export function stateOf(job: Job | undefined, now: number): MessageState {
  if (!job) return "unknown";
  if (job.lockedAt) return "running";
  if (job.nextRunAt) return job.nextRunAt.getTime() > now ? "delayed" : "waiting";
  return job.failedAt && !(job.lastFinishedAt && job.lastFinishedAt > job.failedAt) ? "failed" : "done";
}
