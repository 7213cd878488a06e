/** An adopted queue beside what was there: history, old workers, jobs of an older funboost, our own jobs. */
import { type Job, Queue, QueueEvents, UnrecoverableError, Worker } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { bullmq } from "../../../adapters/bullmq/broker.ts";
import { sleep } from "../../../src/base/clock.ts";
import { boost, configure, fct, shutdown, type TaskParams } from "../../../src/index.ts";
import { until } from "../../support/consuming.ts";
import { serviceFor } from "../../support/services.ts";

const service = await serviceFor("redis");
const url = service.unavailable ? "" : (service.settings?.REDIS_URL ?? "");
afterAll(() => service.stop());
configure({ signals: false, log: { level: "silent" } });
const prefix = `beside${process.pid}${Date.now().toString(36)}`;
const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  await shutdown({ grace: 500 });
  await Promise.all(open.splice(0).map((each) => each.close()));
});
const skipped = service.unavailable ? ` (skipped: ${service.unavailable})` : "";

let n = 0;
function place() {
  const name = `q${n++}`;
  const native = new Queue(name, { connection: { url } as never, prefix });
  open.push(native);
  return { name, native, broker: bullmq({ url, prefix }), key: (id: string) => `${prefix}:${name}:${id}` };
}

const adopt = { adopt: true, concurrency: 1 } as const;

describe.skipIf(!url)(`an adopted queue of BullMQ${skipped}`, () => {
  it("runs one after the other in BullMQ's order: priorities, lifo, none", async () => {
    const orders = await Promise.all(
      [true, false].map(async (isOurs) => {
        const { name, native, broker } = place();
        await native.pause();
        for (let i = 0; i < 60; i++)
          await native.add(String(i), {}, i % 3 === 0 ? { priority: 1 + (i % 7) } : i % 3 === 1 ? { lifo: true } : {});
        const order: string[] = [];
        if (isOurs)
          await boost(
            { ...adopt, queue: name, broker },
            (_data: object) => void order.push((fct.native as Job).name),
          ).consume();
        else
          open.push(
            new Worker(name, async (job) => void order.push(job.name), { connection: { url } as never, prefix }),
          );
        await native.resume();
        await until(() => order.length === 60);
        return order;
      }),
    );
    expect(orders[0]).toEqual(orders[1]);
  });

  it("leaves what has ended where it is, and keeps what others publish, as they say", async () => {
    const { name, native, broker } = place();
    const old = new Worker(name, async ({ data }: Job) => data.fail && Promise.reject(new Error("no")), {
      ...{ connection: { url } as never, prefix, concurrency: 50 },
    });
    await native.addBulk(Array.from({ length: 1_500 }, (_, i) => ({ name: "old", data: { fail: i % 5 === 0 } })));
    await until(async () => (await native.getJobCountByTypes("completed", "failed")) === 1_500, 20_000);
    await old.close();
    await native.add("counted", {}, { jobId: "again" });
    const task = boost({ ...adopt, queue: name, broker, rpc: true }, (data: { n?: number }) => data.n ?? 0);
    await task.consume();
    const own = await Promise.all([1, 2, 3].map((each) => task.push({ n: each })));
    expect(await Promise.all(own.map((each) => each.waitResult()))).toEqual([1, 2, 3]);
    await until(async () => (await native.getJobState("again")) === "completed");
    expect(await native.getJobCounts("completed", "failed")).toEqual({ completed: 1_201, failed: 300 });
    await native.add("trims", {}, { removeOnComplete: { count: 10 } });
    await until(async () => (await native.getCompletedCount()) === 10);
  }, 60_000);

  it("keeps the task's retries for what it publishes, and for what 0.1 left, waiting and delayed", async () => {
    const { name, native, broker } = place();
    const redis = new Redis(url);
    const runs = new Map<string, number>();
    const define = (params: Partial<TaskParams> = {}) =>
      boost({ queue: name, broker, maxRetries: 2, backoff: 0, ...params }, (_n: number): void => {
        runs.set(fct.taskId ?? "", (runs.get(fct.taskId ?? "") ?? 0) + 1);
        throw new Error("no");
      });
    const before = define();
    const waiting = await before.pushMany(Array.from({ length: 100 }, (_, i) => [i] as const) as never);
    const delayed = await before.publishMany(
      Array.from({ length: 100 }, (_, i) => ({ args: [i] as [number], delay: 300 })),
    );
    for (const { id } of [...waiting, ...delayed]) {
      const opts = JSON.parse((await redis.hget(`${prefix}:${name}:${id}`, "opts")) ?? "");
      expect(opts.funboost).toBe("attempts" in opts ? 1 : undefined); // a mark where it is needed alone
      delete opts.funboost; // as 0.1 wrote it
      await redis.hset(`${prefix}:${name}:${id}`, "opts", JSON.stringify(opts));
    }
    await native.add(name, { n: 1 });
    const after = define({ adopt: true, concurrency: 50 });
    const own = await after.push(1);
    await after.consume();
    await until(async () => (await native.getFailedCount()) === 202, 20_000);
    expect([...waiting, ...delayed, own].filter(({ id }) => runs.get(id) !== 3)).toEqual([]);
    expect([...runs.values()].filter((each) => each === 1)).toHaveLength(1); // theirs
    redis.disconnect();
  }, 30_000);

  it("says once, where it is not adopted, that jobs of others have attempts", async () => {
    const { name, native, broker } = place();
    const lines: string[] = [];
    const write = (_fields: object, text: string) => void lines.push(text);
    const logger = { debug() {}, info: write, warn: write, error: write };
    await native.add("plain", {});
    await native.add("a", {}, { attempts: 2 });
    await native.add("b", {}, { attempts: 3 });
    await boost({ queue: name, broker, log: { logger, level: "info" } }, (_data: object) => {}).consume();
    await until(async () => (await native.getCompletedCount()) === 3);
    expect(lines.filter((each) => each.includes("adopt: true"))).toHaveLength(1);
  });

  it("keeps a dead letter among what failed, and copies it only where the task says so", async () => {
    for (const deadLetter of [false, true]) {
      const { name, native, broker } = place();
      const task = boost({ ...adopt, queue: name, broker, deadLetter, maxRetries: 5 }, (_data: object): void => {
        throw new Error("no");
      });
      await native.add("bad", { a: 1, extra: { plan: "pro", max_retry_times: -1 } });
      await task.consume();
      await until(async () => (await native.getFailedCount()) === 1);
      expect(await task.deadLetters.count()).toBe(deadLetter ? 1 : 0);
    }
  });

  it("hides what it lost from old workers, and counts it all the same", async () => {
    const { name, native, broker, key } = place();
    const redis = new Redis(url);
    const job = await native.add("heavy", {}, { attempts: 3 });
    const crashes: number[] = [];
    const opened = await broker.open({ queue: name, options: {}, leaseMs: 15_000, adopt: true });
    for (const before of [2, 1]) {
      await redis.hset(key(String(job.id)), "stc", before); // as a stalled check writes it
      const consumer = await opened.consume(
        async (delivery) => {
          crashes.push(delivery.crashes ?? 0);
          await sleep(50);
          return { outcome: "postponed", delayMs: 0 };
        },
        { signal: false, onSettled() {}, onError() {} },
      );
      const seen = crashes.length;
      consumer.setWindow(1);
      await until(() => crashes.length > seen + 1);
      await consumer.close();
      expect(await redis.hget(key(String(job.id)), "stc")).toBe("0");
    }
    expect(new Set(crashes)).toEqual(new Set([2, 3]));
    const { opts } = (await native.getJob(String(job.id))) ?? {};
    expect(opts).toMatchObject({ attempts: 3, losses: 3 });
    await broker.close();
    redis.disconnect();
  });

  it("shows in BullMQ's own tools what a run tells: progress, lines", async () => {
    const { name, native, broker } = place();
    const job = await native.add("shown", {});
    const task = boost({ ...adopt, queue: name, broker }, async (_data: object) => {
      fct.logger.info({ file: "a" }, "half");
      fct.logger.debug({}, "not shown");
      fct.logger.info("done");
      await fct.progress({ percent: 50 });
    });
    await task.consume();
    const id = String(job.id);
    await until(async () => (await native.getJobState(id)) === "completed");
    expect((await native.getJob(id))?.progress).toEqual({ percent: 50 });
    expect((await native.getJobLogs(id)).logs).toEqual(['info half {"file":"a"}', "info done"]);
    expect(await task.handle(id).progress()).toEqual({ percent: 50 });
  });

  it("answers who waits here for a job that an old worker ends", async () => {
    const { name, native, broker } = place();
    const task = boost(
      { ...adopt, queue: name, broker, rpc: true, params: "object" },
      (_data: { fail: boolean }): number => 0,
    );
    const [good, bad] = [await task.push({ fail: false }), await task.push({ fail: true })];
    const work = async ({ data }: Job) => (data.fail ? Promise.reject(new TypeError("theirs")) : { theirs: 1 });
    open.push(new Worker(name, work, { connection: { url } as never, prefix }));
    await until(async () => (await native.getJobCountByTypes("completed", "failed")) === 2);
    expect(await good.waitResult({ timeout: "10s" })).toEqual({ theirs: 1 });
    const failed = await bad.waitResult({ timeout: "10s" }).catch((error: Error) => error);
    expect(failed).toMatchObject({ code: "TASK", cause: { name: "TypeError", message: "theirs" } });
  }, 30_000);

  it("answers so too where a run before that one failed: an old worker's, or one of ours", async () => {
    const { name, native, broker } = place();
    const task = boost({ ...adopt, queue: name, broker, rpc: true, params: "object" }, (_data: object): void => {
      throw new Error("ours");
    });
    const later = { attempts: 2, backoff: 500 };
    const both = String((await native.add("both", {}, later)).id);
    const consumer = await task.consume();
    await until(async () => (await native.getJobState(both)) === "delayed"); // ours has failed it once
    await consumer.close();
    const theirs = String((await native.add("theirs", {}, later)).id);
    const work = async ({ name, attemptsMade }: Job) =>
      attemptsMade === 0 ? Promise.reject(new Error("theirs")) : `${name} ${attemptsMade}`;
    open.push(new Worker(name, work, { connection: { url } as never, prefix }));
    await until(async () => (await native.getCompletedCount()) === 2);
    const answers = [both, theirs].map((id) => task.handle(id).waitResult({ timeout: "10s" }));
    expect(await Promise.all(answers)).toEqual(["both 1", "theirs 1"]);
  }, 30_000);

  it("tells that retries are exhausted where they are, as BullMQ does", async () => {
    const { name, native, broker } = place();
    const events = new QueueEvents(name, { connection: { url } as never, prefix });
    open.push(events);
    await events.waitUntilReady();
    const heard: string[] = [];
    events.on("retries-exhausted", ({ jobId }) => heard.push(jobId));
    const task = boost({ ...adopt, queue: name, broker }, ({ final }: { final: boolean }): void => {
      throw final ? new UnrecoverableError("never") : new Error("no");
    });
    await native.add("final", { final: true }, { attempts: 3, jobId: "final" });
    await native.add("used up", { final: false }, { attempts: 2, jobId: "used-up" });
    await native.add("one", { final: false }, { jobId: "one" });
    await task.consume();
    await until(async () => (await native.getFailedCount()) === 3);
    await until(() => heard.length >= 2);
    await sleep(100);
    expect(heard.sort()).toEqual(["one", "used-up"]);
    const final = await native.getJob("final");
    expect([final?.failedReason, final?.attemptsMade, final?.stacktrace?.length]).toEqual(["never", 1, 1]);
  });

  it("tells Bull 4's listeners how its jobs end, in its own words", async () => {
    const { name, native, broker, key } = place();
    const redis = new Redis(url);
    const heard: string[] = [];
    await redis.subscribe(key("completed"), key("failed"), key("progress"));
    redis.on("message", (channel: string, text: string) => heard.push(`${channel.split(":").at(-1)} ${text}`));
    const task = boost({ ...adopt, queue: name, broker }, async ({ fail }: { fail: boolean }) => {
      if (fail) throw new Error("no");
      await fct.progress(50);
      return { ok: 1 };
    });
    const bull = { timestamp: Date.now(), delay: 0 };
    await native.add("__default__", { fail: false }, { ...bull, jobId: "good" });
    await native.add("__default__", { fail: true }, { ...bull, jobId: "bad", attempts: 2 });
    await native.add("not of Bull", { fail: false });
    await task.consume();
    await until(() => heard.length >= 3);
    await sleep(100);
    expect(heard.sort()).toEqual([
      'completed {"jobId":"good","val":"{\\"ok\\":1}"}',
      'failed {"jobId":"bad","val":"no"}',
      'progress {"jobId":"good","progress":50}',
    ]);
    redis.disconnect();
  });

  it("brings a dead letter of others back as it was", async () => {
    const { name, native, broker } = place();
    const seen: unknown[] = [];
    const task = boost({ ...adopt, queue: name, broker, deadLetter: true, maxRetries: 0 }, (data: object): void => {
      expect(fct.job?.data).toEqual(data);
      seen.push(data);
      if (seen.length === 1) throw new Error("no");
    });
    const data = { user: 1, extra: { plan: "pro", max_retry_times: -1 }, raw: [1] };
    await native.add("bad", data);
    await task.consume();
    await until(async () => (await task.deadLetters.count()) === 1);
    expect(await task.deadLetters.redrive()).toBe(1);
    await until(() => seen.length === 2);
    expect(seen).toEqual([data, data]);
  });

  it("changes a job of an older funboost as ours, one of others as theirs", async () => {
    const { name, native, broker, key } = place();
    const redis = new Redis(url);
    open.push({ close: () => redis.quit() });
    const seen: unknown[] = [];
    const task = boost({ ...adopt, queue: name, broker }, (n: number) => void seen.push([n, fct.job?.maxAttempts]));
    const older = await native.add(name, { n: 1, extra: { order: ["n"] } });
    await redis.hset(key(String(older.id)), "opts", "{}"); // as that wrote it
    const theirs = await native.add(name, 1, { attempts: 2 });
    for (const { id } of [older, theirs]) expect(await task.handle(String(id)).update([7])).toBe(true);
    await task.consume();
    await until(() => seen.length === 2);
    expect(seen).toEqual([
      [7, 4],
      [7, 2],
    ]);
  });
});
