/** Adopt an existing BullMQ queue: its jobs were added by plain BullMQ, a task consumes them. Needs REDIS_URL. */
import { boost, configure, fct, shutdown } from "funboost";

const url = process.env.REDIS_URL;
if (!url) {
  console.log("skipped: set REDIS_URL");
  process.exit(0);
}

// The part of the system that stays as it is.
const { Queue } = await import("bullmq");
const queue = new Queue(`mail-${process.pid}`, { connection: { url } });
const job = await queue.add("welcome", { to: "ann@example.com", subject: "Hello" });

// The part that moves to funboost: the same queue name, and params to bind the job's data by name.
configure({ brokers: { bullmq: { url } } });
const mail = boost(
  { queue: queue.name, broker: "bullmq", params: ["to", "subject"] },
  async function mail(to: string, subject: string) {
    console.log(`job ${fct.taskId} ${(fct.native as typeof job).name}: "${subject}" to ${to}`);
    return "sent";
  },
);

await mail.consume();
while ((await job.getState()) !== "completed") await new Promise((done) => setTimeout(done, 20));
console.log(`BullMQ says: ${(await queue.getJob(job.id ?? ""))?.returnvalue}`);
await shutdown();
await queue.obliterate({ force: true });
await queue.close();
