/** What BullMQ's own tools and workers see of our runs, and we of theirs. */
import type { Job } from "bullmq";
import type { Ended, EngineTools } from "../../src/contract/index.ts";

/** The name of our workers: it stays on each job that they took last. */
export const workerName = "funboost";

export const tools: EngineTools = {
  progress: ({ native }, value) => (native as Job).updateProgress(value as object),
  log: async ({ native }, line) => void (await (native as Job).log(line)),
};

/** Undefined for what one of ours ended: its result is in the store, if it is kept. */
export async function endedElsewhere(job: Job | undefined): Promise<Ended | undefined> {
  if (!job?.finishedOn || job.processedBy === workerName) return undefined;
  const facts = {
    ...{ attempts: job.attemptsMade, publishedAt: job.timestamp, endedAt: job.finishedOn },
    ...(job.processedOn === undefined ? {} : { startedAt: job.processedOn }),
  };
  if (job.failedReason === undefined) return { status: "done", result: job.returnvalue ?? undefined, ...facts };
  const stack = job.stacktrace?.at(-1);
  const name = /^(\w*Error)\b/.exec(stack ?? "")?.[1] ?? "Error";
  return { status: "failed", error: { name, message: job.failedReason, ...(stack ? { stack } : {}) }, ...facts };
}
