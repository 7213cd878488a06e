/** The leases of what a BullMQ worker holds, and the jobs of workers that died. */
import type { Job, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { repeat } from "../../src/base/clock.ts";
import { rescueTime } from "../shared/rescue-time.ts";
import { lookScript, lossesScript, renewScript } from "./lease-scripts.ts";
import { moveStalledJobs } from "./major.ts";

export interface Leases {
  /** Takes a lock that has lapsed unseen again, and does it once more. */
  withLock<T>(job: Job, work: () => Promise<T>): Promise<T>;
  /** False: the job is another's by now. */
  renew(job: Job): Promise<boolean>;
  stop(): Promise<unknown>;
}

/** A look is renewed every quarter of a lock; less than a lock without the longest time between two renewals. */
const lookPart = 0.65;

export const isLapsed = (error: unknown): boolean => (error as { code?: unknown }).code === -2;

function createRescue(worker: Worker, client: Redis, lockDuration: number): () => Promise<void> {
  const keys = ["funboost-look", "funboost-held", "stalled-check", "stalled", "active"].map((key) => worker.toKey(key));
  const lookMs = Math.ceil(lookPart * lockDuration);
  const holdMs = Math.ceil(rescueTime(lockDuration).afterMs);
  // On one connection, one after the other: after a standstill the look holds back the check.
  return async () =>
    void (await Promise.all([
      client.eval(lookScript, keys.length, ...keys, lookMs, holdMs, lookMs + holdMs),
      moveStalledJobs(worker),
    ]));
}

/** Renews what is held and looks for what dead processes held, by timers that do not follow the wall clock. */
export function keepLeases(
  worker: Worker,
  client: Redis,
  jobs: ReadonlyMap<Job, unknown>,
  report: (error: unknown) => void,
): Leases {
  const { lockDuration = 15_000, stalledInterval = 6_000 } = worker.opts;
  const rescue = createRescue(worker, client, lockDuration);
  async function renewAll(some: readonly Job[]): Promise<readonly string[]> {
    const locks = some.flatMap(({ id = "", token = "", attemptsStarted }) => [id, token, attemptsStarted]);
    const args = [worker.toKey(""), lockDuration, ...locks];
    return (await client.eval(renewScript, 2, worker.toKey("stalled"), worker.toKey("active"), ...args)) as string[];
  }
  const renewHeld = async () => {
    if (jobs.size === 0) return;
    const lost = await renewAll([...jobs.keys()]);
    for (const id of lost) worker.cancelJob(id, "lease lost"); // aborts the signal, where there is one
  };
  const renew = async (job: Job) => (await renewAll([job])).length === 0;
  rescue().catch(report);
  const stops = [
    repeat(lockDuration / 4, renewHeld, report),
    repeat(Math.min(stalledInterval, lockDuration / 4), rescue, report),
  ];
  return {
    renew,
    withLock: (job, work) =>
      work().catch(async (error: unknown) => {
        if (!isLapsed(error) || !(await renew(job))) throw error;
        return work();
      }),
    stop: () => Promise.all(stops.map((stop) => stop())),
  };
}

/** An old worker beside would fail what was lost twice. */
export async function keepLosses(worker: Worker, client: Redis, job: Job, losses: number): Promise<void> {
  await client.eval(lossesScript, 1, worker.toKey(job.id ?? ""), losses);
}
