/** adopt(): one worker for all jobs of a queue, by their names. With broker: "bullmq" it takes over what plain BullMQ adds. */
import { adopt, boost, configure, publisher, shutdown } from "funboost";

configure({ log: "warn" });
const queue = "documents";
const say = (name: string, text: string) => console.log(`${name.padEnd(15)} ${text}`);

// One of its names is a task, with arguments of its own, that this code pushes too.
const seal = boost({ queue, job: "seal" }, async (file: string, copies: number) => {
  say("seal", `${file}, ${copies} copies`);
});

// The others are functions of the data, as it is, and the job's plain facts; "*" takes what has no handler.
const jobs = adopt(
  { queue, concurrency: 1, maxRetries: 2, backoff: 50 },
  {
    seal,
    "send.mail": async ({ to }: { to: string }, job) => {
      const attempt = `attempt ${job.attemptsMade + 1} of ${job.maxAttempts}`;
      say(job.name, `to ${to}, ${attempt}: ${job.isLastAttempt ? "sent" : "the server is busy"}`);
      if (!job.isLastAttempt) throw new Error("421 try again later");
    },
    "*": async (data, job) => say(job.name, `left to "*": ${JSON.stringify(data)}`),
  },
);

// Elsewhere: whoever publishes names the job.
const add = (job: string, data: object) =>
  publisher<(data: object) => unknown>({ queue, job, params: "object" }).push(data);
await add("send.mail", { to: "ada@example.com" });
await add("make.thumbnail", { file: "contract.pdf", page: 1 });
await seal.push("contract.pdf", 2);

await jobs.consume();
await seal.waitIdle();
await shutdown();
