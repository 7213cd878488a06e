/** Gives back what dead processes held, and warns of what makes looking for it slow. */
import { type RescueTime, rescueTime } from "../shared/rescue-time.ts";
import { crashesOf, loadJobs, withCrashes } from "./jobs.ts";
import { unchangedRow } from "./row-after.ts";
import type { ConsumeContext } from "./session.ts";
import { type Job, ownerPrefix, type UnlockedRow } from "./table.ts";

const many = 5_000;
const warned = new Set<string>();

/** Once for each name. */
function warnOfMany(name: string, stored: number): void {
  if (stored <= many || warned.has(name)) return;
  warned.add(name);
  const found = `Agenda's Redis backend holds ${stored} jobs named "${name}".`;
  const cost =
    "Counting them and looking for lost ones reads them all, and so does each claim of a bare Agenda worker.";
  process.emitWarning(`[funboost] [agenda] ${found} ${cost} Remove what is over, or use PostgreSQL for backlogs.`);
}

/** Which lock has lapsed, when that was seen, by the server's clock, and whether that was noted anew. */
interface Note {
  readonly lock: string;
  readonly at: number;
  readonly anew?: true;
}

/** By the ids of jobs. */
type Notes = ReadonlyMap<string, Note>;

/** A turn of the queue's maintenance. */
export function createRescue(
  context: ConsumeContext & { readonly lockLifetimeMs: number },
  name: string,
  leaseMs: number,
): () => Promise<void> {
  const { link, time } = context;
  let notes: Notes = new Map();
  async function turn(): Promise<void> {
    await time.sync();
    warnOfMany(name, (await link.table.stored?.(name)) ?? 0);
    const askedAt = time.now();
    const before = { ours: new Date(askedAt - leaseMs), others: new Date(askedAt - context.lockLifetimeMs) };
    const jobs = await loadJobs(link, name, await link.table.expired(name, before.ours, before.others));
    const known = notes;
    notes = noteAll(known, jobs, time.now(), rescueTime(leaseMs));
    const over = jobs.filter((job) => {
      const note = notes.get(idOf(job));
      return note && note === known.get(idOf(job)) && askedAt - note.at >= rescueTime(leaseMs).afterMs;
    });
    if (over.length > 0) await giveBack(context, name, over, before);
  }
  return () => link.call(turn);
}

const idOf = (job: Job) => String(job._id);

/** After the answer: a server that stood still answers late. */
function noteAll(known: Notes, jobs: readonly Job[], now: number, { beforeMs }: RescueTime): Notes {
  return new Map(
    jobs.map((job) => {
      const lock = `${job.lastModifiedBy} ${job.lockedAt?.getTime()}`;
      const note = known.get(idOf(job));
      if (note?.lock !== lock) return [idOf(job), { lock, at: now }];
      return [idOf(job), note.anew || now - note.at <= beforeMs ? note : { lock, at: now, anew: true }];
    }),
  );
}

/** One crash more, at its old place. */
async function giveBack(
  { link, notices, time, owner }: ConsumeContext,
  name: string,
  jobs: readonly Job[],
  before: { readonly ours: Date; readonly others: Date },
): Promise<void> {
  const rows = jobs.map((job): UnlockedRow => {
    const isOurs = String(job.lastModifiedBy).startsWith(ownerPrefix); // others may write anything there
    const notAfter = isOurs ? before.ours : before.others;
    const row = { ...unchangedRow(job, owner), notAfter, failReason: withCrashes(job.failReason, crashesOf(job) + 1) };
    // Bare Agenda clears it while a job runs.
    return job.nextRunAt ? row : { ...row, nextRunAt: time.ticket(0).at, rank: 0 };
  });
  const answers = await link.table.unlock(name, rows);
  const first = rows.find((_, i) => answers[i]);
  if (first) await notices.announce(name, first.id, new Date(time.now()));
}
