/** Ends what has run, under the fence of each job's own lock. */
import type { Settlement } from "../../src/contract/index.ts";
import type { SettledDelivery } from "../shared/poll.ts";
import { fenceOf, loadJobs } from "./jobs.ts";
import { rowAfter } from "./row-after.ts";
import type { AgendaDelivery, Session } from "./session.ts";
import type { Job, UnlockedRow } from "./table.ts";

interface Ending {
  /** As it was delivered. */
  readonly key: Job;
  /** As it is stored. */
  readonly job: Job;
  readonly settlement: Settlement;
}

/** Writes what is not known yet, and notes in `applied` how it went. Answers one that comes again. */
export async function settle(
  session: Session,
  settlements: readonly SettledDelivery<AgendaDelivery>[],
): Promise<UnlockedRow | undefined> {
  const { applied } = session;
  const endings = settlements.flatMap(({ delivery: { native: job }, settlement }) =>
    applied.has(job) ? [] : [{ key: job, job, settlement }],
  );
  const again = await write(session, endings);
  const late = endings.filter(({ key }) => !applied.get(key));
  return (await write(session, await stillOurs(session, late))) ?? again;
}

/**
 * An `every()` of others writes to the row of a job that runs, at each start of theirs. Its lock tells that it is ours.
 */
async function stillOurs(
  { context: { link }, name, locks }: Session,
  late: readonly Ending[],
): Promise<readonly Ending[]> {
  const ids = late.map(({ job }) => String(job._id));
  const found = await loadJobs(link, name, ids);
  return late.flatMap((ending) => {
    const job = found.find(({ _id }) => String(_id) === String(ending.job._id));
    return job?.lockedAt && job.lockedAt.getTime() === locks.get(ending.key) ? [{ ...ending, job }] : [];
  });
}

async function write(
  { context, name, applied }: Session,
  endings: readonly Ending[],
): Promise<UnlockedRow | undefined> {
  const { table } = context.link;
  const gone: Ending[] = [];
  const staying: Ending[] = [];
  const rows: UnlockedRow[] = [];
  for (const ending of endings) {
    const row = rowAfter(ending.job, ending.settlement, context);
    if (row) rows.push(row);
    (row ? staying : gone).push(ending);
  }
  const note = (some: readonly Ending[], answers: readonly boolean[]) =>
    some.forEach(({ key }, i) => applied.set(key, answers[i] === true));
  if (gone.length > 0) {
    const fences = gone.map(({ job }) => fenceOf(job));
    note(gone, await table.remove(name, fences));
  }
  if (staying.length === 0) return undefined;
  const answers = await table.unlock(name, rows);
  note(staying, answers);
  return rows.find((row, i) => answers[i] && row.nextRunAt);
}
