/** The same jobs run by BullMQ's own worker and by boost, and what is left of each. */
import { FlowProducer, type Job, Queue, Worker } from "bullmq";
import { bullmq } from "../../../adapters/bullmq/broker.ts";
import { sleep } from "../../../src/base/clock.ts";
import { boost, fct } from "../../../src/index.ts";
import { type Kind, kinds, type Tools, workerOptions } from "./adopt-kinds.ts";

/** What is left of a job. */
export interface Left {
  readonly runs: number;
  readonly attemptsMade: number | undefined;
  readonly state: string;
  readonly returnvalue: unknown;
  readonly failedReason: string | undefined;
  readonly rest: unknown;
}

export interface Ran {
  readonly left: ReadonlyMap<Kind, readonly Left[]>;
  /** Medians of the times between the starts of one job: first to second, second to third, and so on. */
  readonly waits: ReadonlyMap<Kind, readonly number[]>;
  readonly counts: unknown;
}

type Work = (job: Job, token: string) => Promise<unknown>;
type Start = (where: Place, work: Work, concurrency: number) => Promise<() => Promise<unknown>>;

export interface Place {
  readonly url: string;
  readonly prefix: string;
  readonly name: string;
}

export const byBullmq: Start = async ({ url, prefix, name }, work, concurrency) => {
  const worker = new Worker(name, (job, token = "") => work(job, token), {
    ...workerOptions,
    ...{ connection: { url } as never, prefix, concurrency },
  });
  worker.on("error", () => {});
  await worker.waitUntilReady();
  return () => worker.close();
};

export const byBoost: Start = async ({ url, prefix, name }, work, concurrency) => {
  const broker = bullmq({ url, prefix });
  const params = { queue: name, broker, adopt: true, concurrency, brokerOptions: { worker: workerOptions } } as const;
  const task = boost(params, (_data: unknown) => {
    const job = fct.native as Job;
    return work(job, job.token ?? "");
  });
  const consumer = await task.consume();
  return () => consumer.close();
};

/** `jobs`: how many of each kind. */
export async function runAll(start: Start, where: Place, jobs: (kind: Kind) => number): Promise<Ran> {
  const connection = { url: where.url } as never;
  const queue = new Queue(where.name, { connection, prefix: where.prefix });
  const flows = new FlowProducer({ connection, prefix: where.prefix });
  const starts = new Map<string, number[]>();
  const ids = await addAll({ queue, flows, token: "" }, jobs);
  const work: Work = async (job, token) => {
    const [n, what] = job.name.split("/");
    const times = starts.get(job.name) ?? [];
    starts.set(job.name, [...times, performance.now()]);
    if (what?.endsWith("bad child")) throw new Error("child");
    if (what?.endsWith("child")) return "child";
    return kinds[Number(n)]?.work(job, times.length + 1, { queue, flows, token });
  };
  const stop = await start(where, work, 50);
  await untilIdle(queue);
  const left = new Map<Kind, Left[]>();
  for (const [i, kind] of kinds.entries())
    left.set(kind, await Promise.all((ids.get(i) ?? []).map((id, n) => leftOf(queue, id, starts.get(`${i}/${n}`)))));
  const waits = new Map(kinds.map((kind, i) => [kind, waitsOf(starts, `${i}/`)]));
  const counts = await queue.getJobCounts();
  await stop();
  await queue.close();
  await flows.close();
  return { left, waits, counts };
}

async function addAll(tools: Tools, jobs: (kind: Kind) => number): Promise<ReadonlyMap<number, readonly string[]>> {
  const all = new Map<number, string[]>();
  for (const [k, kind] of kinds.entries()) {
    const adding = Array.from({ length: jobs(kind) }, async (_, i) => {
      const name = `${k}/${i}`;
      const opts = typeof kind.opts === "function" ? kind.opts(i) : kind.opts;
      if (kind.add) return kind.add(tools, name);
      return String((await tools.queue.add(name, kind.data === undefined ? { i } : kind.data, opts)).id);
    });
    all.set(k, await Promise.all(adding));
  }
  return all;
}

async function untilIdle(queue: Queue): Promise<void> {
  const busy = ["wait", "active", "delayed", "prioritized", "waiting-children"] as const;
  for (let quiet = 0; quiet < 3; await sleep(50)) {
    const counts = Object.values(await queue.getJobCounts(...busy));
    quiet = counts.every((each) => each === 0) ? quiet + 1 : 0;
  }
}

async function leftOf(queue: Queue, id: string, starts: readonly number[] = []): Promise<Left> {
  const job = (await queue.getJob(id)) as Job | undefined;
  const { attemptsMade, returnvalue, failedReason, progress, data, stacktrace } = job ?? ({} as Partial<Job>);
  const logs = job ? (await queue.getJobLogs(id)).logs : [];
  const rest = {
    progress,
    data,
    logs,
    stacks: stacktrace?.length,
    name: job?.name,
    finished: Boolean(job?.finishedOn),
  };
  return { runs: starts.length, attemptsMade, state: await queue.getJobState(id), returnvalue, failedReason, rest };
}

function waitsOf(starts: ReadonlyMap<string, readonly number[]>, prefix: string): number[] {
  const gaps: number[][] = [];
  for (const [name, times] of starts)
    if (name.startsWith(prefix))
      for (let i = 1; i < times.length; i++) (gaps[i - 1] ??= []).push((times[i] ?? 0) - (times[i - 1] ?? 0));
  return gaps.map((each) => each.sort((a, b) => a - b)[Math.floor(each.length / 2)] ?? 0);
}
