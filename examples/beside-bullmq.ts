/** An old BullMQ worker and a funboost worker on one queue, and the way back. Needs REDIS_URL. */
import { setTimeout as sleep } from "node:timers/promises";
import { boost, configure, shutdown } from "funboost";

const connection = { url: process.env.REDIS_URL ?? "" };
if (!connection.url) {
  console.log("skipped: set REDIS_URL");
  process.exit(0);
}

const { Queue, QueueEvents, Worker } = await import("bullmq");
const queue = new Queue(`resize-${process.pid}`, { connection });
const events = new QueueEvents(queue.name, { connection });
const taken = { "old worker": 0, funboost: 0 };
const old = new Worker(queue.name, async ({ data }) => resize("old worker", data.file), { connection, concurrency: 2 });

configure({ log: "error", brokers: { bullmq: connection } });
const task = boost(
  { queue: queue.name, broker: "bullmq", adopt: true, params: ["file"], concurrency: 2, rpc: true },
  async (file: string) => resize("funboost", file),
);
async function resize(who: keyof typeof taken, file: string) {
  taken[who]++;
  await sleep(20);
  return `${file}, resized by ${who}`;
}

await task.consume();
const added = [...Array(40).keys()].map((i) => ({ name: "resize", data: { file: `${i}.png` } }));
const both = await queue.addBulk(added);
for (const job of both) await job.waitUntilFinished(events);
const least = Math.min(...Object.values(taken));
console.log(`40 jobs: ${least > 5 ? "shared by both" : "one took nearly all"}`);

await shutdown(); // the way back: whatever is pushed now, the old worker takes
const job = await queue.add("resize", { file: "last.png" });
console.log(await job.waitUntilFinished(events));
await Promise.all([old.close(), events.close()]);
await queue.obliterate({ force: true });
await queue.close();
