/** What BullMQ's own tools and workers see of our runs, and we of theirs. */
import type { Job, Queue, Worker } from "bullmq";
import type { Redis } from "ioredis";
import type { Ended, EngineTools } from "../../src/contract/index.ts";

/** The name of our workers: it stays on each job that they took last. */
export const workerName = "funboost";

export function createTools(queue: Queue, client: Redis): EngineTools {
  return {
    async progress({ native }, value) {
      const job = native as Job;
      await job.updateProgress(value as object);
      if (isOfBull(job))
        await client.publish(queue.toKey("progress"), JSON.stringify({ jobId: job.id, progress: value }));
    },
    log: async ({ native }, line) => void (await (native as Job).log(line)),
  };
}

/** Bull 4 hears by notices, and else looks every 5 s: `job.finished()`, `global:completed`. BullMQ sends none. */
export function tellBull(worker: Worker, client: Redis, report: (error: unknown) => void): void {
  const tell = (job: Job | undefined, event: string, val: () => string) => {
    if (!job?.finishedOn || !isOfBull(job)) return; // it may run again
    client.publish(worker.toKey(event), JSON.stringify({ jobId: job.id, val: val() })).catch(report);
  };
  worker.on("completed", (job: Job, result: unknown) => tell(job, "completed", () => JSON.stringify(result ?? null)));
  worker.on("failed", (job, error) => tell(job, "failed", () => error.message));
}

/** Bull 4 writes these for each job. */
const isOfBull = ({ opts: { timestamp, delay, attempts } }: Job): boolean =>
  timestamp !== undefined && delay !== undefined && attempts !== undefined;

/**
 * Undefined for what one of ours ended: its result is in the store, if it is kept. Our name stays where a worker
 * without one takes the job next, and so does the reason of an earlier failure.
 */
export async function endedElsewhere(job: Job | undefined): Promise<Ended | undefined> {
  if (!job?.finishedOn || (job.processedBy === workerName && job.attemptsStarted < 2)) return undefined;
  const state = await job.getState();
  if (state !== "completed" && state !== "failed") return undefined; // gone, or on its way again
  const facts = {
    ...{ attempts: job.attemptsMade, publishedAt: job.timestamp, endedAt: job.finishedOn },
    ...(job.processedOn === undefined ? {} : { startedAt: job.processedOn }),
  };
  if (state === "completed") return { status: "done", result: job.returnvalue ?? undefined, ...facts };
  const stack = job.stacktrace?.at(-1);
  const name = /^(\w*Error)\b/.exec(stack ?? "")?.[1] ?? "Error";
  return { status: "failed", error: { name, message: job.failedReason ?? "", ...(stack ? { stack } : {}) }, ...facts };
}
