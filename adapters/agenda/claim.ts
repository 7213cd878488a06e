/** Taking jobs: in one step where the backend can, else one after another in several lanes. */
import { clock } from "../../src/base/clock.ts";
import { toError } from "../../src/base/errors.ts";
import { loadJobs, soundJob } from "./jobs.ts";
import type { Session } from "./session.ts";
import type { Claim, Job } from "./table.ts";

/** Claims side by side, where each takes one job. */
const lanes = 8;
/** What was claimed singly in this time is delivered, before more is claimed. */
const claimingMs = 25;
/** No lock is as old: a claim takes only what is free. `maintain` gives back what was lost, and counts the crash. */
const noLock = new Date(0);

/** Takes what is due, in order. */
export async function claim(session: Session, count: number): Promise<readonly Job[]> {
  const { context, name, locks, nextToken } = session;
  const { link, time } = context;
  const { table } = link;
  const wanted = { token: nextToken(), now: new Date(time.now()), count };
  if (!table.claim) return claimSingly(session, wanted);
  const ids = await table.claim(name, wanted);
  const found = await loadJobs(link, name, ids);
  for (const job of found) hold(locks, job);
  return found;
}

/** One call tells whether there is anything; then several lanes take one job after another. */
async function claimSingly(
  { context, name, locks, onError }: Session,
  { token, count }: Claim,
): Promise<readonly Job[]> {
  const { link, time } = context;
  const taken: Job[] = [];
  const until = clock.monotonic() + claimingMs;
  let started = 0;
  let empty = false;
  const next = async () => {
    started++;
    const now = new Date(time.now());
    const job = await link.call(() =>
      link.backend.repository.getNextJobToRun(name, now, noLock, now, { lastModifiedBy: token }),
    );
    if (!job) empty = true;
    else taken.push(soundJob(job as Job));
    if (job) hold(locks, job as Job); // renewed from now on, however long the others take
  };
  const lane = async () => {
    while (!empty && started < count && clock.monotonic() < until) await next();
  };
  await next();
  const ends = await Promise.allSettled(Array.from({ length: Math.min(lanes, count - 1) }, lane));
  for (const end of ends) if (end.status === "rejected") onError(toError(end.reason));
  const at = (job: Job) => job.nextRunAt?.getTime() ?? 0;
  return taken.sort((one, other) => at(one) - at(other) || other.priority - one.priority);
}

const hold = (locks: Session["locks"], job: Job) => locks.set(job, job.lockedAt?.getTime());
