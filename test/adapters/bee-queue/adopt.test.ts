/** Jobs of Bee-Queue's own users, taken over: what their own worker does of them, and what boost does. */
import Bee from "bee-queue";
import { Redis } from "ioredis";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { beeQueue } from "../../../adapters/bee-queue/broker.ts";
import { sleep } from "../../../src/base/clock.ts";
import { boost, configure, fct, shutdown } from "../../../src/index.ts";
import { until } from "../../support/consuming.ts";
import { serviceFor } from "../../support/services.ts";

const service = await serviceFor("redis");
const url = service.unavailable ? "" : (service.settings?.REDIS_URL ?? "");
configure({ signals: false, log: { level: "silent" } });
const prefix = `beeadopt${process.pid}${Date.now().toString(36)}`;
const open: { close(): Promise<unknown> }[] = [];
const alive = setInterval(() => {}, 1_000); // no socket of ours keeps a process alive
afterEach(async () => {
  await shutdown({ grace: 500 });
  await Promise.all(open.splice(0).map((each) => each.close()));
});
afterAll(() => {
  clearInterval(alive);
  return service.stop();
});
const skipped = service.unavailable ? ` (skipped: ${service.unavailable})` : "";

type Job = Bee.Job<{ readonly kind: string }>;
type Work = (kind: string, run: number) => Promise<unknown>;

const kinds: Readonly<Record<string, (job: Job) => Job>> = {
  plain: (job) => job,
  fails: (job) => job,
  "retries(5)": (job) => job.retries(5),
  fixed: (job) => job.retries(3).backoff("fixed", 60),
  exponential: (job) => job.retries(3).backoff("exponential", 40),
  "done at the second run": (job) => job.retries(3),
  "timeout(100)": (job) => job.timeout(100).retries(1),
  delayed: (job) => job.delayUntil(Date.now() + 200),
};

const work: Work = async (kind, run) => {
  if (kind === "plain" || kind === "delayed") return { kind };
  if (kind.startsWith("timeout")) return sleep(400);
  if (kind === "done at the second run" && run === 2) return run;
  throw new Error("no");
};

const settings = { redis: { url } as never, prefix, activateDelayedJobs: true };

/** What each job's own listeners hear, and how it is left. */
async function runAll(name: string, start: (work: Work) => Promise<unknown>) {
  const producer = new Bee<{ readonly kind: string }>(name, { ...settings, isWorker: false });
  open.push(producer);
  const runs = new Map<string, number[]>();
  const heard: Record<string, string[]> = {};
  const all = Object.entries(kinds).map(async ([kind, make]) => {
    const job = make(producer.createJob({ kind, extra: { msg_expire_seconds: -1 } } as { kind: string }));
    heard[kind] = [];
    for (const event of ["succeeded", "failed", "retrying"] as const)
      job.on(event as "succeeded", (said: unknown) => {
        const text = said instanceof Error ? said.message : JSON.stringify(said);
        heard[kind]?.push(`${event} ${/timed? ?out|longer/i.test(text) ? "timed out" : text}`);
      });
    return job.save();
  });
  const jobs = await Promise.all(all);
  await start((kind, _run) => {
    const times = [...(runs.get(kind) ?? []), performance.now()];
    runs.set(kind, times);
    return work(kind, times.length);
  });
  await until(() => Object.values(heard).every((each) => /^(succeeded|failed)/.test(each.at(-1) ?? "")), 15_000);
  const redis = new Redis(url);
  const left = await Promise.all(
    jobs.map(async ({ id, data: { kind } }) => {
      const key = (of: string) => `${prefix}:${name}:${of}`;
      const { status, options } = JSON.parse((await redis.hget(key("jobs"), String(id))) ?? "{}");
      const isIn = [
        await redis.sismember(key("succeeded"), String(id)),
        await redis.sismember(key("failed"), String(id)),
      ];
      return { kind, status, stacks: options?.stacktraces?.length, retries: options?.retries ?? 0, isIn };
    }),
  );
  redis.disconnect();
  const times = [...runs].map(([kind, at]) => [kind, at.slice(1).map((each, i) => each - (at[i] ?? 0))] as const);
  return { heard, left, runs: Object.fromEntries([...runs].map(([k, at]) => [k, at.length])), times: new Map(times) };
}

describe.skipIf(!url)(`jobs of Bee-Queue, adopted${skipped}`, () => {
  it("end as by its own worker, which their own listeners hear", async () => {
    const theirs = await runAll("theirs", async (run) => {
      const bee = new Bee("theirs", { ...settings, getEvents: false });
      open.push(bee);
      bee.process(20, async (job: Job) => run(job.data.kind, 0));
    });
    const ours = await runAll("ours", (run) =>
      boost(
        { queue: "ours", broker: beeQueue({ url, prefix }), adopt: true, concurrency: 20, maxRetries: 9, backoff: 0 },
        (data: { kind: string }) => run(data.kind, fct.attempt ?? 0),
      ).consume(),
    );
    expect(ours.runs).toEqual(theirs.runs);
    expect(ours.left).toEqual(theirs.left);
    expect(ours.heard).toEqual(theirs.heard);
    for (const { times } of [theirs, ours]) {
      for (const wait of times.get("fixed") ?? []) expect(wait).toBeGreaterThan(58);
      const [first = 0, second = 0, third = 0] = times.get("exponential") ?? [];
      expect([first >= 38, second >= 78, third >= 158]).toEqual([true, true, true]);
    }
  }, 60_000);

  it("leaves our own jobs their task's retries", async () => {
    let runs = 0;
    const broker = beeQueue({ url, prefix });
    const task = boost(
      { queue: "own", broker, adopt: true, concurrency: 1, maxRetries: 2, backoff: 0 },
      (_n: number) => {
        runs++;
        throw new Error("no");
      },
    );
    await task.push(1);
    await task.consume();
    await until(() => runs === 3);
    await task.waitIdle();
    expect(runs).toBe(3);
  });

  it("come back from the dead letters as they were, for their own workers", async () => {
    const bee = new Bee<object>("back", { ...settings, getEvents: false, isWorker: false });
    open.push(bee);
    const data = { a: 1, extra: { plan: "pro" } };
    await bee.createJob(data).setId("order-7").retries(2).backoff("exponential", 20).timeout(5_000).save();
    const attempts: unknown[] = [];
    const task = boost(
      { queue: "back", broker: beeQueue({ url, prefix }), adopt: true, concurrency: 1, deadLetter: true },
      (_data: object) => {
        attempts.push(fct.attempt);
        throw new Error("no");
      },
    );
    const consumer = await task.consume();
    await until(async () => (await task.deadLetters.count()) === 1, 20_000);
    await consumer.close();
    expect(await task.deadLetters.redrive()).toBe(1);
    const [job] = await bee.getJobs("waiting", { start: 0, end: 10 });
    expect(job).toMatchObject({ data, options: { retries: 2, backoff: { strategy: "exponential", delay: 20 } } });
    expect(job?.options).toMatchObject({ timeout: 5_000, stacktraces: [] });
    expect(Object.keys(job?.options ?? {}).sort()).toEqual([
      "backoff",
      "retries",
      "stacktraces",
      "timeout",
      "timestamp",
    ]);
    await task.consume();
    await until(() => attempts.length === 6, 20_000);
    expect(attempts).toEqual([1, 2, 3, 1, 2, 3]);
  }, 60_000);

  it("tells their listeners how far a job is", async () => {
    const producer = new Bee<object>("far", { ...settings, isWorker: false });
    open.push(producer);
    const job = producer.createJob({});
    const heard: unknown[] = [];
    job.on("progress", (value) => heard.push(value));
    await job.save();
    const broker = beeQueue({ url, prefix });
    const task = boost({ queue: "far", broker, adopt: true, concurrency: 1 }, async (_data: object) => {
      await fct.progress(50);
    });
    await task.consume();
    await until(() => heard.length > 0);
    expect(heard).toEqual([50]);
  });

  it("changes a job of others as they would write it, and its rules stay", async () => {
    const producer = new Bee<unknown>("edits", { ...settings, isWorker: false });
    open.push(producer);
    const { id } = await producer.createJob<unknown>(1).retries(1).save();
    let seen: unknown;
    const broker = beeQueue({ url, prefix });
    const task = boost({ queue: "edits", broker, adopt: true, concurrency: 1 }, (n: number) => {
      seen = [n, fct.job?.data, fct.job?.maxAttempts];
    });
    expect(await task.handle(String(id)).update([7])).toBe(true);
    await task.consume();
    await until(() => seen !== undefined);
    expect(seen).toEqual([7, 7, 2]);
  });
});
