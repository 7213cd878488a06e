/** The leases of what a BullMQ worker holds, and the jobs of workers that died. */
import type { Job, Worker } from "bullmq";
import { repeat } from "../../src/base/clock.ts";

/** Renews what is held and looks for what dead processes held, by timers that do not follow the wall clock. */
export function keepLeases(
  worker: Worker,
  jobs: ReadonlyMap<Job, unknown>,
  report: (error: unknown) => void,
): () => Promise<unknown> {
  const { lockDuration = 15_000, stalledInterval = 6_000 } = worker.opts;
  const rescue = async () => void (await worker.getBackend().moveStalledJobsToWait());
  const renew = async () => {
    const tokens = new Map([...jobs.keys()].map((job) => [job.id as string, job.token as string]));
    if (tokens.size === 0) return;
    const lost = await worker.extendJobLocks([...tokens.keys()], [...tokens.values()], lockDuration);
    for (const id of lost) worker.cancelJob(id, "lease lost"); // aborts the signal, where there is one
  };
  rescue().catch(report);
  const stops = [repeat(lockDuration / 3, renew, report), repeat(stalledInterval, rescue, report)];
  return () => Promise.all(stops.map((stop) => stop()));
}
