/**
 * A process of the storm beside old workers: a producer or worker of BullMQ 5 or 6, or one of ours. It writes down what
 * it does, so that nothing is lost when it is killed.
 */
import { openSync, writeSync } from "node:fs";
import type { JobsOptions } from "bullmq";
import { bullmq } from "../../adapters/bullmq/broker.ts";
import { sleep } from "../../src/base/clock.ts";
import { adopt, configure, FatalError, publisher } from "../../src/index.ts";

export const roles = ["producer5", "producer6", "producer", "worker5", "worker6", "ours"] as const;
export type Role = (typeof roles)[number];

export interface BesideJob {
  readonly role: Role;
  /** Which of all processes. */
  readonly n: number;
  readonly url: string;
  readonly prefix: string;
  readonly queue: string;
  /** Lines: `role/n/time/` and `want/id/name`, `added/id/name`, `start/id/attempt` or `end/id/attempt`. */
  readonly file: string;
  readonly leaseMs: number;
}

const fixed = { attempts: 3, backoff: { type: "fixed", delay: 100 } };
export const kinds: Readonly<Record<string, JobsOptions>> = {
  good: {},
  bad: {},
  "bad 3": fixed,
  "good at 3": fixed,
  never: fixed,
  delayed: { delay: 400 },
  prioritized: { priority: 3 },
  lifo: { lifo: true },
  removed: { removeOnComplete: true },
};
/** What we publish, and with which options of ours it is the same. */
const rules = { maxRetries: 2, backoff: { type: "fixed", base: 100, jitter: false } } as const;
const ours = ["good", "bad 3", "good at 3"];

type Bullmq = typeof import("bullmq");
const bullOf = async (role: Role): Promise<Bullmq> =>
  role.endsWith("5")
    ? ((await import("bullmq-5")) as unknown as Bullmq)
    : ((await import(process.env.FUNBOOST_BULLMQ_6 ?? "bullmq")) as Bullmq);

async function main({ role, n, url, prefix, queue, file, leaseMs }: BesideJob): Promise<void> {
  process.on("disconnect", () => process.exit()); // none outlives the storm
  const out = openSync(file, "a");
  const say = (...words: readonly unknown[]) => void writeSync(out, `${[role, n, Date.now(), ...words].join("/")}\n`);
  const { hostname, port } = new URL(url);
  const connection = { host: hostname, port: Number(port || 6379), maxRetriesPerRequest: null };
  configure({ signals: false, log: { level: "silent" }, lease: leaseMs });
  const broker = bullmq({ url, prefix, storePrefix: `${prefix}:` });

  async function run(name: string, id: string, attempt: number, Final: new (text: string) => Error): Promise<string> {
    say("start", id, attempt);
    await sleep(20 + Math.random() * 150);
    say("end", id, attempt);
    if (name === "never") throw new Final("never");
    if (name.startsWith("bad") || (name === "good at 3" && attempt < 2)) throw new Error("no");
    return id;
  }

  async function produce(names: readonly string[], add: (name: string, id: string) => Promise<unknown>) {
    for (let i = 0; ; i++) {
      const [name = "", id] = [names[i % names.length], `${role}-${n}-${i}`];
      say("want", id, name);
      await add(name, id);
      say("added", id, name);
      await sleep(30);
    }
  }

  if (role === "ours") {
    const take = (data: { id: string }, job: { name: string; attemptsMade: number }) =>
      run(job.name, data.id, job.attemptsMade, FatalError);
    await adopt({ queue, broker, concurrency: 8, ...rules }, { "*": take }).consume();
  } else if (role === "producer") {
    const define = (job: string) =>
      publisher<(id: string) => unknown>({ queue, broker, job, params: ["id"], ...rules });
    const tasks = Object.fromEntries(ours.map((job) => [job, define(job)]));
    await produce(ours, async (name, id) => tasks[name]?.publish([id], { taskId: id }));
  } else if (role.startsWith("producer")) {
    const bare = new (await bullOf(role)).Queue(queue, { connection, prefix });
    await produce(Object.keys(kinds), (name, id) => bare.add(name, { id }, { ...kinds[name], jobId: id }));
  } else {
    const { Worker, UnrecoverableError } = await bullOf(role);
    const options = { name: role, connection, prefix, concurrency: 8, lockDuration: leaseMs, stalledInterval: 1_200 };
    new Worker(
      queue,
      ({ name, data, attemptsMade }) => run(name, data.id, attemptsMade, UnrecoverableError),
      options,
    ).on("error", () => {});
  }
}

if (process.argv[2]) await main(JSON.parse(process.argv[2]) as BesideJob);
