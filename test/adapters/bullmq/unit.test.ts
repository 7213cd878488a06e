/** What only BullMQ and the Redis store can get wrong; all else is in the conformance kit and in test/stores.test.ts. */
import { AsyncLocalStorage } from "node:async_hooks";
import { connect, createServer, type Socket } from "node:net";
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { bullmq } from "../../../adapters/bullmq/broker.ts";
import { redisStore } from "../../../adapters/redis/store.ts";
import { clock, sleep } from "../../../src/base/clock.ts";
import type { Broker, BrokerQueue, Settlement } from "../../../src/contract/index.ts";
import { adopt, boost, configure } from "../../../src/index.ts";
import { gate } from "../../conformance/until.ts";
import { consume, done, numbers, until } from "../../support/consuming.ts";
import { serviceFor } from "../../support/services.ts";

const service = await serviceFor("redis");
const url = service.unavailable ? "" : (service.settings?.REDIS_URL ?? "");
afterAll(() => service.stop());
configure({ signals: false, log: { level: "silent" } });
const run = `t${process.pid}${Date.now().toString(36)}`;
const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
let counter = 0;

async function fresh(
  options: Record<string, unknown> = {},
  leaseMs = 15_000,
): Promise<{ broker: Broker; queue: BrokerQueue; name: string }> {
  const broker = bullmq({ url, prefix: run });
  ends.push(() => broker.close());
  const name = `q${counter++}`;
  return { broker, name, queue: await broker.open({ queue: name, options, leaseMs }) };
}

const native = (name: string) => {
  const queue = new Queue(name, { connection: { url } as never, prefix: run });
  ends.push(() => queue.close());
  return queue;
};

const skipped = service.unavailable ? ` (skipped: ${service.unavailable})` : "";

describe.skipIf(!url)(`bullmq${skipped}`, () => {
  afterAll(async () => {
    const redis = new Redis(url);
    const keys = await redis.keys(`${run}*`);
    if (keys.length) await redis.del(...keys);
    redis.disconnect();
  });

  it("a task's job is job.name, with attempts and backoff, and the queue's name is none", async () => {
    const { queue, name } = await fresh();
    const retries = { max: 4, type: "exponential", baseMs: 200, jitter: true } as const;
    await queue.publish([
      { body: { n: 1 } },
      { body: { n: 2 }, job: "follow", retries },
      { body: { n: 3 }, job: "unfollow", delayMs: 1 },
    ]);
    const plain = native(name);
    const jobs = await Promise.all(["1", "2", "3"].map((id) => plain.getJob(id)));
    expect(jobs.map((job) => job?.name)).toEqual([name, "follow", "unfollow"]);
    expect(jobs[1]?.opts).toMatchObject({ attempts: 5, backoff: { type: "exponential", delay: 200, jitter: 1 } });
    expect(jobs[1]?.data).toEqual({ n: 2 });
    await plain.add("theirs", { n: 4 });
    const peeked = (await queue.peek?.(10)) ?? [];
    expect(peeked.map(({ job }) => job)).toEqual([undefined, "follow", "theirs"]);
    const facts: unknown[] = [];
    const { seen, settled } = await consume(queue, (delivery) => {
      facts.push(queue.facts?.(delivery));
      return done();
    });
    await until(() => settled.length === 4);
    expect(Object.fromEntries(seen.map(({ body, job }) => [(body as { n: number }).n, job]))).toEqual({
      1: undefined,
      2: "follow",
      3: "unfollow",
      4: "theirs",
    });
    expect(facts[1]).toMatchObject({ attemptsMade: 0, options: { attempts: 5 } });
  });

  it("a plain worker takes what tasks with a job publish, and tasks take what plain producers add", async () => {
    const { broker, name } = await fresh();
    const seen: string[] = [];
    const make = (job: string) =>
      boost({ queue: name, job, broker, params: ["from"], maxRetries: 1, backoff: 10 }, (from: string) => {
        seen.push(`${job} ${from}`);
      });
    const [follow, unfollow] = [make("follow"), make("unfollow")];
    const { id } = await follow.push("ada");
    let failures = 0;
    const connection = { url, maxRetriesPerRequest: null } as never;
    const worker = new Worker(
      name,
      async (job) => {
        if (failures++ === 0) throw new Error("once more");
        return `${job.name} ${job.data.from} ${job.attemptsMade}`;
      },
      { connection, prefix: run },
    );
    const plain = native(name);
    await until(async () => (await plain.getJobState(id)) === "completed");
    await worker.close();
    expect((await plain.getJob(id))?.returnvalue).toBe("follow ada 1");
    await plain.add("unfollow", { from: "bob" });
    await plain.add("follow", { from: "cyd" });
    const consumer = await unfollow.consume();
    await until(() => seen.length === 2);
    await consumer.close();
    expect(seen.sort()).toEqual(["follow cyd", "unfollow bob"]);
  });

  it("adopt() takes plain jobs by name, with their own attempts and whole data; one without a handler fails", async () => {
    const { broker, name } = await fresh();
    const plain = native(name);
    await plain.add("list", [1, 2], { attempts: 2, backoff: 10 });
    await plain.add("whole", { extra: { plan: "gold" } });
    const gone = await plain.add("gone", { x: 1 }, { attempts: 5 });
    const seen: unknown[] = [];
    const jobs = adopt(
      { queue: name, broker, concurrency: 1 },
      {
        list: (data, { attemptsMade, maxAttempts, isLastAttempt, options }) => {
          seen.push([data, attemptsMade, maxAttempts, isLastAttempt, options.attempts]);
          if (!isLastAttempt) throw new Error("once more");
        },
        whole: (data, job) => {
          seen.push([data, job.name, job.data]);
          job.log("a line");
        },
      },
    );
    await jobs.consume();
    await until(async () => seen.length === 3 && (await plain.getJobState(gone.id ?? "")) === "failed");
    await jobs.close();
    const whole = { extra: { plan: "gold" } };
    expect(seen).toContainEqual([[1, 2], 0, 2, false, 2]);
    expect(seen).toContainEqual([[1, 2], 1, 2, true, 2]);
    expect(seen).toContainEqual([whole, "whole", whole]);
    expect((await plain.getJob(gone.id ?? ""))?.failedReason).toMatch(/no task takes the job "gone"/);
    expect((await plain.getJobLogs("2")).logs).toEqual(["a line"]);
  });

  it("a follow-up that a task pushes with a delay is delayed in BullMQ, and is not put in front", async () => {
    const { broker, name } = await fresh();
    const later = boost({ queue: `${name}-later`, broker }, (_n: number) => {});
    const first = boost({ queue: name, broker, rpc: true }, async () => {
      const [delayed, now] = [await later.publish([1], { delay: "48h" }), await later.push(2)];
      return [delayed.id, now.id];
    });
    const timers = process.getActiveResourcesInfo().filter((each) => each === "Timeout").length;
    const consumer = await first.consume();
    const ids = (await (await first.push()).waitResult()) as string[];
    await consumer.close();
    const jobs = await Promise.all(ids.map((id) => native(`${name}-later`).getJob(id)));
    expect(jobs.map((job) => [job?.opts.lifo, job?.opts.delay])).toEqual([
      [undefined, expect.any(Number)],
      [true, undefined],
    ]);
    await until(() => process.getActiveResourcesInfo().filter((each) => each === "Timeout").length <= timers);
  });

  it("delivers in order with id, attempt and time", async () => {
    const { queue, name } = await fresh();
    const published = await queue.publish([1, 2, 3].map((n) => ({ body: { n } })));
    expect(published.map((each) => each.id)).toEqual(["1", "2", "3"]);
    const { seen, settled } = await consume(queue, () => ({ outcome: "done", result: { ok: true } }));
    await until(() => settled.length === 3);
    expect(numbers(seen)).toEqual([1, 2, 3]);
    expect(seen[0]).toMatchObject({ id: "1", attempt: 1, crashes: 0, ahead: false });
    expect(Math.abs((seen[0]?.publishedAt ?? 0) - Date.now())).toBeLessThan(2_000);
    expect(settled).toEqual(["1:applied", "2:applied", "3:applied"]);
    const job = await native(name).getJob("2");
    expect(job?.returnvalue).toEqual({ ok: true });
    expect(job?.name).toBe(name);
  });

  it("carries any JSON body, and a result that is not JSON does not run again", async () => {
    const { queue } = await fresh();
    const all = ["text", null, [1], 5, { s: "日本 \u{1F600}" }, { big: "x".repeat(100_000) }];
    await queue.publish(all.map((body) => ({ body: body as never })));
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    const { seen, settled } = await consume(queue, () => ({ outcome: "done", result: loop }), 10);
    await until(() => settled.length === all.length);
    expect(seen.map((each) => each.body)).toEqual(all);
    expect(settled.every((each) => each.endsWith("applied"))).toBe(true);
  });

  it("retries with the core's delay, fails with the user's error", async () => {
    const { queue, name } = await fresh();
    await queue.publish([{ body: { n: 1 } }]);
    const times: number[] = [];
    const { seen, settled } = await consume(queue, ({ attempt }) => {
      times.push(performance.now());
      const error = new RangeError(`no ${attempt}`);
      return attempt < 3 ? { outcome: "retry", error, delayMs: attempt === 1 ? 0 : 300 } : { outcome: "failed", error };
    });
    await until(() => settled.length === 3);
    expect(seen.map((each) => each.attempt)).toEqual([1, 2, 3]);
    expect((times[2] ?? 0) - (times[1] ?? 0)).toBeGreaterThan(295);
    expect((times[2] ?? 0) - (times[1] ?? 0)).toBeLessThan(500);
    const job = await native(name).getJob("1");
    expect(job?.failedReason).toBe("no 3");
    expect(job?.attemptsMade).toBe(3);
    expect(job?.stacktrace?.[2]).toContain("RangeError: no 3");
    expect(await queue.state?.("1")).toBe("failed");
    expect(settled).toEqual(["1:applied", "1:applied", "1:applied"]);
  });

  it("errors that mean something to BullMQ do not when a task throws them", async () => {
    const { queue } = await fresh();
    await queue.publish([{ body: { n: 1 } }]);
    const names = ["UnrecoverableError", "DelayedError", "WaitingError"];
    const { settled, seen } = await consume(queue, ({ attempt }) => {
      const name = names[attempt - 1];
      return name ? { outcome: "retry", error: Object.assign(new Error("x"), { name }), delayMs: 0 } : done();
    });
    await until(() => settled.length === 4);
    expect(seen.map((each) => each.attempt)).toEqual([1, 2, 3, 4]);
  });

  it("postponed goes behind what waits, attempt unchanged; returned goes to the front", async () => {
    const { queue } = await fresh();
    await queue.publish([1, 2, 3].map((n) => ({ body: { n } })));
    let first = true;
    let back = true;
    const { seen, settled } = await consume(queue, ({ body }) => {
      const { n } = body as { n: number };
      if (n === 1 && first) {
        first = false;
        return { outcome: "postponed", delayMs: 0 };
      }
      if (n === 2 && back) {
        back = false;
        return { outcome: "returned" };
      }
      return done();
    });
    await until(() => settled.length === 5);
    expect(numbers(seen)).toEqual([1, 2, 2, 3, 1]);
    expect(seen.every((each) => each.attempt === 1 && each.crashes === 0)).toBe(true);
  });

  it("a bigger priority is sooner, none lies between, also for what waited before and for other publishers", async () => {
    const { queue, broker, name } = await fresh();
    const second = bullmq({ url, prefix: run });
    ends.push(() => second.close());
    const other = await second.open({ queue: name, options: {}, leaseMs: 15_000 });
    await queue.publish([0, -5].map((priority) => ({ body: { n: priority }, priority })));
    await other.publish([{ body: { n: "ahead" }, ahead: true }]);
    await queue.publish([
      { body: { n: 5 }, priority: 5 },
      { body: { n: 7 }, priority: 7 },
    ]);
    await other.publish([{ body: { n: "late" } }]); // has not seen the mark yet
    await sleep(160);
    await other.publish([{ body: { n: "later" } }]);
    await queue.publish([{ body: { n: 6 }, priority: 6 }]);
    expect((await queue.peek?.(20))?.map((each) => (each.body as { n: unknown }).n)).toEqual([
      "ahead",
      7,
      6,
      5,
      0,
      "late",
      "later",
      -5,
    ]);
    const { seen, settled } = await consume(queue, done);
    await until(() => settled.length === 8);
    expect(numbers(seen)).toEqual(["ahead", 7, 6, 5, 0, "late", "later", -5]);
    expect(broker.features.priority).toBe(true);
  });

  it("what was delayed or running when the first positive priority came does not pass it when it comes back", async () => {
    const { queue } = await fresh();
    let held = () => {};
    const wait = new Promise<void>((resolve) => (held = resolve));
    await queue.publish([{ body: { n: "retried" } }]);
    const { seen, settled, consumer } = await consume(queue, async ({ body, attempt }) => {
      if ((body as { n: unknown }).n !== "retried" || attempt > 1) return done();
      await wait;
      return { outcome: "retry", error: new Error("again"), delayMs: 0 };
    });
    await until(() => seen.length === 1);
    consumer.setWindow(0);
    await queue.publish([{ body: { n: "delayed" }, delayMs: 30 }]);
    await queue.publish([{ body: { n: "ahead" }, ahead: true, delayMs: 30 }]);
    await queue.publish([{ body: { n: "prior" }, priority: 1 }]);
    held();
    await until(() => settled.length === 1);
    await sleep(150);
    consumer.setWindow(1);
    await until(() => settled.length === 5);
    expect(numbers(seen).slice(0, 3)).toEqual(["retried", "ahead", "prior"]);
    expect(numbers(seen).slice(3).sort()).toEqual(["delayed", "retried"]);
  });

  it("ahead goes before all, last in first out, also after a retry with a delay", async () => {
    const { queue } = await fresh();
    await queue.publish([1, 2].map((n) => ({ body: { n } })));
    await queue.publish([3, 4].map((n) => ({ body: { n }, ahead: true })));
    await queue.publish([{ body: { n: 5 }, ahead: true, delayMs: 100 }]);
    let stop = () => {};
    const { seen, settled, consumer } = await consume(
      queue,
      ({ body, attempt }) => {
        if ((body as { n: number }).n !== 4 || attempt > 1) return done();
        stop();
        return { outcome: "retry", error: new Error("x"), delayMs: 50 };
      },
      0,
    );
    stop = () => consumer.setWindow(0);
    consumer.setWindow(1);
    await until(() => settled.length === 1);
    await sleep(300);
    consumer.setWindow(1);
    await until(() => settled.length === 6);
    expect(seen.filter((each) => each.ahead).length).toBe(4);
    const order = numbers(seen);
    expect(order[0]).toBe(4);
    expect(order.slice(1, 4).sort()).toEqual([3, 4, 5]);
    expect(order.slice(-2)).toEqual([1, 2]);
  });

  it("a given id is published once", async () => {
    const { queue } = await fresh();
    const twice = await queue.publish([{ id: "a", body: { n: 1 } }, { body: { n: 2 } }, { id: "a", body: { n: 3 } }]);
    expect(twice).toEqual([{ id: "a" }, { id: "2" }, { id: "a", existing: true }]);
    expect(await queue.publish([{ id: "a", body: { n: 4 } }])).toEqual([{ id: "a", existing: true }]);
    expect(await queue.count?.()).toEqual({ ready: 2, delayed: 0, running: 0 });
    const { settled } = await consume(queue, done);
    await until(() => settled.length === 2);
    expect(await queue.publish([{ id: "a", body: { n: 4 } }])).toEqual([{ id: "a", existing: true }]);
  });

  it("takes ids that BullMQ cannot, and gives them back as they were", async () => {
    const { queue } = await fresh();
    const ids = ["", "0:x", "a:b", "a:b:c:d", "wait", "meta", "id~x", "50%3A", "日本 \u{1F600}", "1.5", "007a"];
    expect((await queue.publish(ids.map((id) => ({ id, body: { id } })))).map((each) => each.id)).toEqual(ids);
    expect((await queue.publish(ids.map((id) => ({ id, body: { id } })))).every((each) => each.existing)).toBe(true);
    expect((await queue.peek?.(50))?.map((each) => each.id)).toEqual(ids);
    expect(await queue.state?.("a:b")).toBe("waiting");
    expect(await queue.cancel?.(["a:b", "wait", "gone"])).toEqual(["a:b", "wait"]);
    const { seen, settled } = await consume(queue, done, 5);
    await until(() => settled.length === ids.length - 2);
    expect(seen.map((each) => each.id).sort()).toEqual(ids.filter((id) => id !== "a:b" && id !== "wait").sort());
  });

  it.each(["12", "0", "-3"])("refuses the id %j", async (id) => {
    const { queue } = await fresh();
    await expect(queue.publish([{ body: {} }, { id, body: {} }])).rejects.toMatchObject({ code: "BAD_OPTION" });
    expect((await queue.count?.())?.ready).toBe(0);
  });

  it("names a queue for the store by its prefix too, and says where it connects to", async () => {
    const { broker, queue, name } = await fresh();
    const other = await broker.open({ queue: name, options: { prefix: `${run}x` }, leaseMs: 15_000 });
    const plain = await broker.open({ queue: name, options: { prefix: "bull" }, leaseMs: 15_000 });
    expect([queue.scope, other.scope, plain.scope]).toEqual([`${run}:${name}`, `${run}x:${name}`, undefined]);
    expect("scope" in plain).toBe(false);
    const address = (given: Parameters<typeof bullmq>[0]) => bullmq(given).address?.();
    expect(address({})).toBe("redis://127.0.0.1:6379");
    expect(address({ url: "rediss://me:secret@cache.internal:6380/2?password=secret" })).toBe(
      "rediss://***@cache.internal:6380/2",
    );
    expect(() => address({ url: "redis://:sec/ret@1@cache" })).toThrow(/url cannot be read: characters such as \/ @ #/);
    expect(address({ connection: { host: "cache", password: "secret" } })).toBe("cache:6379");
  });

  it("keeps tasks of one queue name under two prefixes apart, results too", async () => {
    const queue = `q${counter++}`;
    const tasks = ["a", "b"].map((prefix) => {
      const broker = bullmq({ url, prefix: `${run}${prefix}`, storePrefix: `${run}shared:` });
      ends.push(() => broker.close());
      const own = async (n: number) => `${prefix}${n}`;
      return boost({ queue, broker, rpc: true }, own);
    });
    const [a, b] = tasks as [(typeof tasks)[0], (typeof tasks)[0]];
    const [ofA, ofB] = [await a.push(1), await b.push(2)];
    expect([ofA.id, ofB.id]).toEqual(["1", "1"]);
    const consumers = [await a.consume()];
    ends.push(async () => Promise.all(consumers.map((each) => each.close())));
    expect(await ofA.waitResult({ timeout: 5_000 })).toBe("a1");
    const early = await ofB.waitResult({ timeout: 300 }).catch((error) => error.code);
    consumers.push(await b.consume());
    expect([early, await ofB.waitResult({ timeout: 5_000 })]).toEqual(["WAIT_TIMEOUT", "b2"]);
  });

  it("tells when it last fetched, on the monotonic clock", async () => {
    const { queue } = await fresh();
    const { settled, consumer } = await consume(queue, done);
    expect(consumer.status()).toEqual({ held: [] });
    const before = clock.monotonic();
    await queue.publish([{ body: {} }]);
    await until(() => settled.length === 1);
    const { lastFetchAt = 0 } = consumer.status();
    expect(lastFetchAt).toBeGreaterThanOrEqual(before);
    expect(lastFetchAt).toBeLessThanOrEqual(clock.monotonic());
  });

  it("refuses queue names and options that it cannot take", async () => {
    const { broker } = await fresh();
    await expect(broker.open({ queue: "a:b", options: {}, leaseMs: 1 })).rejects.toMatchObject({ code: "BAD_QUEUE" });
    await expect(broker.open({ queue: "", options: {}, leaseMs: 1 })).rejects.toMatchObject({ code: "BAD_QUEUE" });
    await expect(broker.open({ queue: "a", options: { nope: 1 }, leaseMs: 1 })).rejects.toMatchObject({
      code: "BAD_OPTION",
    });
    expect(() => bullmq({ url: "http://user:secret@x" })).toThrow(/redis:\/\//);
    expect(() => bullmq({ url: "http://user:secret@x" })).not.toThrow(/secret/);
    expect(() => bullmq({ uri: "x" } as never)).toThrow(/uri/);
  });

  it("counts, peeks, states, cancels, reschedules, clears", async () => {
    const { queue } = await fresh();
    await queue.publish([1, 2, 3].map((n) => ({ body: { n } })));
    await queue.publish([
      { body: { n: 4 }, delayMs: 60_000 },
      { id: "p", body: { n: 5 }, priority: -1 },
    ]);
    expect(await queue.count?.()).toEqual({ ready: 4, delayed: 1, running: 0 });
    expect(await queue.state?.("4")).toBe("delayed");
    expect(await queue.state?.("p")).toBe("waiting");
    expect(await queue.state?.("nope")).toBe("unknown");
    expect(await queue.cancel?.(["2", "nope", "p"])).toEqual(["2", "p"]);
    expect(await queue.reschedule?.("4", { delayMs: 1 })).toBe(true);
    expect(await queue.reschedule?.("nope", { delayMs: 1 })).toBe(false);
    const { seen, settled } = await consume(queue, () => sleep(50).then(done));
    await until(() => seen.length === 1);
    expect(await queue.cancel?.(["1"])).toEqual([]);
    await until(() => settled.length === 3);
    expect(numbers(seen)).toEqual([1, 3, 4]);
    expect(await queue.cancel?.(["1"])).toEqual([]);
    expect(await queue.state?.("1")).toBe("done");
    const held = await consume(queue, () => new Promise<Settlement>((r) => setTimeout(() => r(done()), 300)));
    await queue.publish([{ body: { n: 6 } }, { body: { n: 7 } }, { body: { n: 8 }, delayMs: 10_000 }]);
    await until(async () => (await queue.count?.())?.running);
    await queue.clear?.();
    expect(await queue.count?.()).toMatchObject({ ready: 0, delayed: 0 });
    await held.consumer.close();
  });

  it("pauses for every process", async () => {
    const { queue } = await fresh();
    await queue.setPaused?.(true);
    expect(await queue.paused?.()).toBe(true);
    await queue.publish([{ body: { n: 1 } }]);
    const { seen, settled } = await consume(queue, done);
    await sleep(100);
    expect(seen.length).toBe(0);
    expect((await queue.count?.())?.ready).toBe(1);
    await queue.setPaused?.(false);
    await until(() => settled.length === 1);
  });

  it("keeps to the window: raised while full, lowered, 0", async () => {
    const { queue } = await fresh();
    await queue.publish(Array.from({ length: 60 }, (_, n) => ({ body: { n } })));
    const open: (() => void)[] = [];
    const { seen, consumer, settled } = await consume(
      queue,
      () => new Promise<Settlement>((resolve) => open.push(() => resolve(done()))),
      0,
    );
    await sleep(30);
    expect(seen.length).toBe(0);
    consumer.setWindow(2);
    await until(() => seen.length === 2);
    await sleep(30);
    expect(seen.length).toBe(2);
    const lags: number[] = [];
    for (let n = 3; n <= 12; n++) {
      const t = performance.now();
      consumer.setWindow(n);
      await new Promise<void>((resolve) => {
        const check = () => (seen.length === n ? resolve() : setImmediate(check));
        check();
      });
      lags.push(performance.now() - t);
    }
    expect(consumer.status().held.length).toBe(12);
    expect(lags.sort((a, b) => a - b)[5]).toBeLessThan(30);
    consumer.setWindow(5);
    for (const end of open.splice(0, 7)) end();
    await until(() => settled.length === 7);
    await sleep(50);
    expect(seen.length).toBe(12);
    consumer.setWindow(0);
    for (const end of open.splice(0)) end();
    await until(() => settled.length === 12);
    await sleep(50);
    expect(seen.length).toBeLessThanOrEqual(13);
    for (let i = 0; i < 50; i++) {
      consumer.setWindow(0);
      if (i % 3) await Promise.resolve();
      consumer.setWindow(1 + (i % 3));
      if (i % 2) await sleep(1);
    }
    consumer.setWindow(3);
    const timer = setInterval(() => open.splice(0).forEach((end) => end()), 2);
    await until(() => settled.length === 60);
    clearInterval(timer);
  });

  it("close waits for what runs; force does not and leaves it to be delivered again", async () => {
    const { queue } = await fresh({}, 600);
    await queue.publish([{ body: { n: 1 } }]);
    const slow = await consume(queue, () => sleep(200).then(done));
    await until(() => slow.seen.length === 1);
    await slow.consumer.close();
    await slow.consumer.close();
    expect(slow.settled).toEqual(["1:applied"]);
    await queue.publish([{ body: { n: 2 } }]);
    const stuck = await consume(queue, () => sleep(900).then(done));
    await until(() => stuck.seen.length === 1);
    const t = performance.now();
    await stuck.consumer.close({ force: true });
    expect(performance.now() - t).toBeLessThan(150);
    const next = await consume(queue, done);
    await until(() => next.settled.length === 1);
    expect(next.seen[0]).toMatchObject({ id: "2", attempt: 1, crashes: 1 });
    await until(() => stuck.settled.length === 1);
    expect(stuck.settled).toEqual(["2:stale"]);
  });

  it("a job that was taken away ends as stale, once, and its signal aborts", async () => {
    const { queue, name } = await fresh({}, 600);
    const redis = new Redis(url);
    ends.push(async () => redis.disconnect());
    await queue.publish([1, 2, 3].map((n) => ({ body: { n } })));
    const aborted: string[] = [];
    const answers: Settlement[] = [
      done(),
      { outcome: "retry", error: new Error("x"), delayMs: 0 },
      { outcome: "returned" },
    ];
    const { settled, errors } = await consume(
      queue,
      async ({ id, signal, body }) => {
        signal?.addEventListener("abort", () => aborted.push(id));
        await redis.del(`${run}:${name}:${id}:lock`, `${run}:${name}:${id}`);
        await sleep(400);
        return answers[(body as { n: number }).n - 1] as Settlement;
      },
      3,
      true,
    );
    await until(() => settled.length === 3);
    expect(settled.sort()).toEqual(["1:stale", "2:stale", "3:stale"]);
    expect(aborted.sort()).toEqual(["1", "2", "3"]);
    expect(errors).toEqual([]);
  });

  it("holds its lease while a run is longer than it", async () => {
    const { queue } = await fresh({}, 500);
    await queue.publish([{ body: { n: 1 } }]);
    const one = await consume(queue, () => sleep(2_000).then(done));
    const two = await consume(queue, done);
    await until(() => one.settled.length + two.settled.length > 0);
    expect(one.settled.length + two.seen.length).toBe(1);
  });

  /** As a server that stood still for longer than a lock leaves them. */
  async function lapse(name: string, ids: readonly string[]): Promise<void> {
    const redis = new Redis(url);
    const key = (rest: string) => `${run}:${name}:${rest}`;
    await redis.sadd(key("stalled"), ...ids);
    const ours = [key("funboost-look"), key("funboost-held")];
    await redis.del(key("stalled-check"), ...ours, ...ids.map((id) => key(`${id}:lock`)));
    redis.disconnect();
  }

  it("keeps a job whose lock lapsed while the server stood still: a rescue leaves its holder time to renew", async () => {
    const leaseMs = 2_000;
    const { queue, name } = await fresh({}, leaseMs);
    await queue.publish([{ body: { n: 1 } }]);
    const door = gate();
    const one = await consume(queue, () => door.opened.then(done));
    await until(() => one.seen.length === 1);
    await lapse(name, ["1"]);
    const two = await consume(queue, done); // looks at once
    await sleep(1.5 * leaseMs);
    expect(two.seen).toEqual([]);
    door.open();
    await until(() => one.settled.length === 1);
    expect(one.settled).toEqual(["1:applied"]);
  });

  it("ends a job in whatever way when its lock has lapsed unseen", async () => {
    const { queue, name } = await fresh();
    const ends: Settlement[] = [
      { outcome: "done", result: 0 },
      { outcome: "failed", error: new Error("no") },
      { outcome: "retry", error: new Error("once more"), delayMs: 60_000 },
      { outcome: "postponed", delayMs: 60_000 },
      { outcome: "returned" },
    ];
    await queue.publish(ends.map((_, n) => ({ body: { n } })));
    const door = gate();
    const { seen, settled, consumer } = await consume(
      queue,
      ({ body }) => door.opened.then(() => ends[(body as { n: number }).n] ?? done()),
      ends.length,
    );
    await until(() => seen.length === ends.length);
    consumer.setWindow(0);
    const ids = seen.map(({ id }) => id);
    await lapse(name, ids);
    door.open();
    await until(() => settled.length === ends.length);
    expect(settled.sort()).toEqual(ids.map((id) => `${id}:applied`));
    expect(await Promise.all(ids.map((id) => queue.state?.(id)))).toEqual([
      "done",
      "failed",
      "delayed",
      "delayed",
      "waiting",
    ]);
  });

  it("does not carry the context of whoever consumed or published first", async () => {
    const context = new AsyncLocalStorage<string>();
    const { queue } = await context.run("caller", () => fresh());
    const seen: (string | undefined)[] = [];
    const { settled } = await context.run("caller", () =>
      consume(queue, () => {
        seen.push(context.getStore());
        return done();
      }),
    );
    await context.run("publisher", () => queue.publish([{ body: {} }]));
    await until(() => settled.length === 1);
    expect(seen).toEqual([undefined]);
  });

  it("passes BullMQ's options through, and foreign jobs are consumed", async () => {
    const { queue, name } = await fresh({
      job: { attempts: 7 },
      worker: { removeOnComplete: { count: 0 } },
      queue: {},
    });
    await queue.publish([{ body: { n: 1 }, native: { keepLogs: 3 } }]);
    expect((await native(name).getJob("1"))?.opts).toMatchObject({ attempts: 7, keepLogs: 3 });
    await native(name).add("theirs", { n: 2 }, { attempts: 2 });
    const { seen, settled } = await consume(queue, done);
    await until(() => settled.length === 2);
    expect(numbers(seen)).toEqual([1, 2]);
    expect(await queue.state?.("1")).toBe("unknown");
  });

  it("copies the settings of a given client and never closes it", async () => {
    const own = new Redis(url, { maxRetriesPerRequest: null });
    ends.push(async () => own.disconnect());
    for (const connection of [own, { ...own.options, lazyConnect: true }]) {
      const broker = bullmq({ connection, prefix: run });
      const queue = await broker.open({ queue: `own${counter++}`, options: {}, leaseMs: 15_000 });
      await queue.publish([{ body: { n: 1 } }]);
      const { settled } = await consume(queue, done);
      await until(() => settled.length === 1);
      await (await broker.store?.())?.set([{ key: "a", value: "b" }]);
      await broker.close();
      await broker.close();
    }
    expect(await own.ping()).toBe("PONG");
  });

  it("publishing fails fast while the server is away, nothing is sent later, and consumers go on when it is back", async () => {
    const line = await cuttable();
    const broker = bullmq({ url: `redis://127.0.0.1:${line.port}`, prefix: run });
    ends.push(() => broker.close());
    const queue = await broker.open({ queue: `cut${counter++}`, options: {}, leaseMs: 15_000 });
    await queue.publish([{ body: { n: 1 } }]);
    const { settled, seen, errors } = await consume(queue, async () => {
      if (seen.length === 1) {
        line.cut(true);
        await sleep(50);
      }
      return done();
    });
    await until(() => errors.length > 0);
    const t = performance.now();
    await expect(queue.publish([{ body: { n: "lost" } }])).rejects.toMatchObject({ code: "BROKER_DOWN" });
    await expect(queue.publish([{ body: { n: "lost" }, priority: 5 }])).rejects.toMatchObject({ code: "BROKER_DOWN" });
    expect(performance.now() - t).toBeLessThan(3_000);
    expect(errors[0]).toMatchObject({ code: "BROKER_DOWN" });
    line.cut(false);
    await until(async () => (await queue.publish([{ body: { n: 2 } }]).catch(() => [])).length);
    await until(() => settled.length === 2);
    expect(numbers(seen)).toEqual([1, 2]);
    expect(settled).toEqual(["1:applied", "2:applied"]);
  }, 15_000);

  it("says what is wrong with the server", async () => {
    const open = (address: string) => {
      const broker = bullmq({ url: address });
      ends.push(() => broker.close());
      return broker.open({ queue: "x", options: {}, leaseMs: 1_000 });
    };
    await expect(open("redis://:secret@127.0.0.1:1")).rejects.toMatchObject({
      code: "BROKER_DOWN",
      message: expect.stringMatching(/\*\*\*@127.0.0.1:1.*ECONNREFUSED/),
    });
    const refusing = await fakeRedis((command) =>
      command.includes("AUTH") || command.includes("HELLO")
        ? "-WRONGPASS invalid username-password pair\r\n"
        : "+OK\r\n",
    );
    const refused = open(`redis://:secret@127.0.0.1:${refusing}`);
    await expect(refused).rejects.toMatchObject({
      code: "BROKER_REFUSED",
      message: expect.not.stringContaining("secret"),
    });
    expect(
      JSON.stringify(await refused.catch((error) => ({ ...error.cause, message: error.cause.message }))),
    ).not.toContain("secret");
    const info = "redis_version:4.0.9\r\nloading:0\r\n";
    const old = await fakeRedis((command) =>
      command.includes("INFO")
        ? `$${info.length}\r\n${info}\r\n`
        : command.includes("HELLO")
          ? "-ERR unknown command `HELLO`\r\n"
          : "+OK\r\n",
    );
    await expect(open(`redis://127.0.0.1:${old}`)).rejects.toMatchObject({
      code: "BROKER_REFUSED",
      message: expect.stringContaining("4.0.9"),
    });
    const silent = await fakeRedis(() => "");
    const t = performance.now();
    await expect(open(`redis://127.0.0.1:${silent}`)).rejects.toMatchObject({ code: "BROKER_DOWN" });
    expect(performance.now() - t).toBeLessThan(5_000);
  }, 15_000);
});

/** A way to the server that can be cut. */
async function cuttable() {
  const { hostname, port } = new URL(url);
  const open = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) return near.destroy();
    const far = connect(Number(port), hostname);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => other.destroy());
      socket.pipe(other);
    }
    return near;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(async () => server.close());
  const cut = (now: boolean) => {
    isCut = now;
    if (now) for (const socket of open) socket.destroy();
  };
  return { port: (server.address() as { port: number }).port, cut };
}

async function fakeRedis(answer: (command: string) => string): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (data) => {
      for (const command of data
        .toString()
        .toUpperCase()
        .split(/(?=\*\d+\r\n)/))
        socket.write(answer(command));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(async () => server.close());
  return (server.address() as { port: number }).port;
}

describe.skipIf(!url)(`redis store${skipped}`, () => {
  it("leaves no connection behind when it closes while results are waited for", async () => {
    const redis = new Redis(url);
    ends.push(async () => redis.disconnect());
    const connections = async () => ((await redis.call("CLIENT", "LIST")) as string).trim().split("\n").length;
    const before = await connections();
    for (const beforeCloseMs of [0, 30]) {
      const store = redisStore({ url, prefix: `${run}s${counter++}:` });
      const wait = store.results.wait("q", "1", new AbortController().signal).catch(() => "ended");
      await sleep(beforeCloseMs);
      await store.close();
      expect(await wait).toBe("ended");
    }
    await until(async () => (await connections()) <= before);
    await sleep(100);
    expect(await connections()).toBeLessThanOrEqual(before);
  });
});
