/** Adopt an existing BullMQ queue: plain BullMQ adds its jobs, a task runs them by their own rules. Needs REDIS_URL. */
import { setTimeout as sleep } from "node:timers/promises";
import { adopt, configure, FatalError, shutdown } from "funboost";

const url = process.env.REDIS_URL;
if (!url) {
  console.log("skipped: set REDIS_URL");
  process.exit(0);
}

// The part of the system that stays as it is.
const { Queue } = await import("bullmq");
const queue = new Queue(`mail-${process.pid}`, { connection: { url } });
const added = await queue.addBulk([
  { name: "welcome", data: { to: "ada@example.com" } },
  { name: "invoice", data: { to: "bob@example.com" }, opts: { attempts: 3, backoff: { type: "fixed", delay: 50 } } },
  { name: "invoice", data: { to: "nobody" }, opts: { attempts: 8 } },
]);

// The part that moves to funboost.
configure({ log: "error", brokers: { bullmq: { url } } });
const worker = { queue: queue.name, broker: "bullmq", concurrency: 1 } as const;
const jobs = adopt(worker, {
  welcome: ({ to }: { to: string }) => `welcomed ${to}`,
  invoice: async ({ to }: { to: string }, job) => {
    if (!to.includes("@")) throw new FatalError(`${to} is no address`);
    if (!job.isLastAttempt) throw new Error("the printer is busy");
    return `invoiced ${to}`;
  },
});
await jobs.consume();
while (await queue.getJobCountByTypes("wait", "active", "delayed")) await sleep(20);
for (const { id = "" } of added) {
  const job = await queue.getJob(id);
  const how = (await job?.isFailed()) ? `failed: ${job?.failedReason}` : job?.returnvalue;
  console.log(`BullMQ says: ${job?.name}, ${job?.attemptsMade} of ${job?.opts.attempts || 1} runs, ${how}`);
}
await shutdown();
await queue.obliterate({ force: true });
await queue.close();
