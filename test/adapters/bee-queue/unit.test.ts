/** What only Bee-Queue can get wrong; all else is in the conformance kit. */
import { AsyncLocalStorage } from "node:async_hooks";
import { connect, createServer, type Socket } from "node:net";
import Bee from "bee-queue";
import { Redis } from "ioredis";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { beeQueue } from "../../../adapters/bee-queue/broker.ts";
import { sleep } from "../../../src/base/clock.ts";
import type { Broker, BrokerQueue, Settlement } from "../../../src/contract/index.ts";
import { boost, configure } from "../../../src/index.ts";
import { gate } from "../../conformance/until.ts";
import { consume, done, numbers, until } from "../../support/consuming.ts";
import { serviceFor, startPrivate } from "../../support/services.ts";

const service = await serviceFor("redis");
const url = service.unavailable ? "" : (service.settings?.REDIS_URL ?? "");
configure({ signals: false, log: { level: "silent" } });
const run = `t${process.pid}${Date.now().toString(36)}`;
const redis = url ? new Redis(url) : undefined;
const ends: (() => Promise<unknown>)[] = [];
const alive = setInterval(() => {}, 1_000); // no socket of ours keeps a process alive
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(async () => {
  clearInterval(alive);
  const keys = (await redis?.keys(`${run}*`)) ?? [];
  if (keys.length > 0) await redis?.del(...keys);
  redis?.disconnect();
  await service.stop();
});
let counter = 0;

async function fresh(
  options: Record<string, unknown> = {},
  leaseMs = 15_000,
  at = url,
  publishTimeoutMs = 10_000,
): Promise<{ broker: Broker; queue: BrokerQueue; name: string }> {
  const broker = beeQueue({ url: at, prefix: run, storePrefix: `${run}f:` });
  ends.push(() => broker.close());
  const name = `q${counter++}`;
  return { broker, name, queue: await broker.open({ queue: name, options, leaseMs, publishTimeoutMs }) };
}

const range = (n: number) => Array.from({ length: n }, (_, i) => i);
/** Bee-Queue as its own users have it. */
const native = async (name: string, settings: object = {}) => {
  const bee = new Bee(name, { redis: { url } as never, prefix: run, storeJobs: false, getEvents: false, ...settings });
  bee.on("error", () => {});
  await bee.ready();
  ends.push(() => bee.close());
  return bee;
};
const stored = async (name: string, id: string) => JSON.parse((await redis?.hget(`${run}:${name}:jobs`, id)) ?? "null");
const list = (name: string, key: string) => redis?.lrange(`${run}:${name}:${key}`, 0, -1);

const skipped = service.unavailable ? ` (skipped: ${service.unavailable})` : "";

describe.skipIf(!url)(`bee-queue${skipped}`, () => {
  it("publishes jobs that Bee-Queue reads: its own ids, the args as data", async () => {
    const { queue, name } = await fresh();
    const published = await queue.publish([1, 2, 3].map((n) => ({ body: { n } })));
    expect(published.map(({ id }) => id)).toEqual(["1", "2", "3"]);
    const job = await (await native(name, { isWorker: false })).getJob("2");
    expect([job.data, job.status, job.options.stacktraces]).toEqual([{ n: 2 }, "created", []]);
    const { seen, settled } = await consume(queue, done);
    await until(() => settled.length === 3);
    expect(numbers(seen)).toEqual([1, 2, 3]);
    expect(seen[0]).toMatchObject({ id: "1", attempt: 1, crashes: 0, ahead: false });
    expect(Math.abs((seen[0]?.publishedAt ?? 0) - Date.now())).toBeLessThan(2_000);
    expect(await redis?.keys(`${run}:${name}:*`)).not.toContain(`${run}:${name}:jobs`); // nothing is left of them
  });

  it("carries any JSON body, and what is no job at all holds up nobody", async () => {
    const { queue, name } = await fresh();
    const all = ["text", null, 0, false, "", [1], { s: "日本 \u{1F600}" }, { big: "x".repeat(100_000) }];
    await queue.publish(all.map((body) => ({ body: body as never })));
    expect((await queue.peek?.(20))?.map(({ body }) => body)).toEqual(all);
    const strange = [
      "{broken",
      "7",
      '{"no":1}',
      '{"data":{"n":1},"options":{"stacktraces":null,"attempt":"x","timestamp":"now"}}',
    ];
    for (const [i, text] of strange.entries()) {
      await redis?.hset(`${run}:${name}:jobs`, `strange${i}`, text);
      await redis?.lpush(`${run}:${name}:waiting`, `strange${i}`);
    }
    await redis?.lpush(`${run}:${name}:waiting`, "gone");
    const { seen, settled } = await consume(queue, done, 3);
    await until(() => settled.length === all.length + strange.length);
    expect(seen.map(({ body }) => body)).toEqual([...all, ...strange.slice(0, 3), { n: 1 }]);
    expect(seen.at(-1)?.attempt).toBe(1);
    expect(Math.abs((seen.at(-1)?.publishedAt ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(await queue.count?.()).toEqual({ ready: 0, delayed: 0, running: 0 });
  });

  it("writes retries and failures down as Bee-Queue does, with the core's delay", async () => {
    const { queue, name } = await fresh();
    await queue.publish([{ body: { list: [1] } }]);
    const times: number[] = [];
    const { seen, settled } = await consume(queue, ({ attempt, body }) => {
      times.push(performance.now());
      (body as { list: number[] }).list.push(9); // is no change of the job
      const error = new RangeError(`no ${attempt}`);
      return attempt < 3 ? { outcome: "retry", error, delayMs: attempt === 1 ? 0 : 300 } : { outcome: "failed", error };
    });
    await until(() => settled.length === 2);
    expect(await stored(name, "1")).toMatchObject({
      status: "retrying",
      data: { list: [1] },
      options: { attempt: 3, retries: 0 },
    });
    expect(await queue.state?.("1")).toBe("delayed");
    await until(() => settled.length === 3);
    expect(seen.map(({ attempt, id }) => [attempt, id])).toEqual([1, 2, 3].map((n) => [n, "1"]));
    expect((times[2] ?? 0) - (times[1] ?? 0)).toBeGreaterThan(295);
    expect((times[2] ?? 0) - (times[1] ?? 0)).toBeLessThan(400);
    const job = await (await native(name, { isWorker: false })).getJob("1");
    expect([job.status, job.options.stacktraces.length, await redis?.sismember(`${run}:${name}:failed`, "1")]).toEqual([
      "failed",
      3,
      1,
    ]);
    expect(job.options.stacktraces[0]).toContain("RangeError: no 3");
    expect(await queue.state?.("1")).toBe("failed");
    expect(settled).toEqual(["1:applied", "1:applied", "1:applied"]);
  });

  it("delays to a few milliseconds, whoever publishes, and moves what is rescheduled", async () => {
    const { queue, name } = await fresh();
    const late: number[] = [];
    const { seen, settled } = await consume(
      queue,
      ({ body }) => {
        late.push(Date.now() - (body as { due: number }).due);
        return done();
      },
      5,
    );
    const other = await native(name, { isWorker: false });
    for (const ms of [400, 150, 250])
      await other
        .createJob({ due: Date.now() + ms })
        .delayUntil(Date.now() + ms)
        .save();
    await queue.publish([200, 100].map((delayMs) => ({ body: { due: Date.now() + delayMs }, delayMs })));
    await queue.publish([{ id: "moved", body: { due: Date.now() + 300 }, delayMs: 60_000 }]);
    expect(await queue.reschedule?.("moved", { delayMs: 300 })).toBe(true);
    await until(() => settled.length === 6);
    expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
    expect([...late].sort((a, b) => a - b)[3]).toBeLessThan(30);
    expect(seen.map(({ id }) => id)).toEqual(["5", "2", "4", "3", "moved", "1"]);
  });

  it("postponed goes behind what waits, returned to the front, and ahead before all: last in first out, also when it was delayed or retried", async () => {
    const { queue } = await fresh();
    await queue.publish([1, 2, 3].map((n) => ({ body: { n } })));
    await queue.publish([4, 5].map((n) => ({ body: { n }, ahead: true })));
    const once = new Set<number>();
    const first = (n: number) => !once.has(n) && Boolean(once.add(n));
    const { seen, settled, consumer } = await consume(queue, ({ body }) => {
      const { n } = body as { n: number };
      if (n === 1 && first(1)) return { outcome: "postponed", delayMs: 0 };
      if (n === 2 && first(2)) return { outcome: "returned" };
      if (n === 4 && first(4)) return { outcome: "retry", error: new Error("x"), delayMs: 0 };
      return done();
    });
    await until(() => settled.length === 8);
    expect(numbers(seen)).toEqual([5, 4, 4, 1, 2, 2, 3, 1]);
    expect(seen.filter(({ ahead }) => ahead).length).toBe(3);
    consumer.setWindow(0);
    await queue.publish([
      { body: { n: 6 } },
      { body: { n: 7, ahead: true }, delayMs: 20 },
      { body: { n: 8 }, delayMs: 20, ahead: true },
    ]);
    await sleep(60);
    consumer.setWindow(1);
    await until(() => settled.length === 11);
    expect(numbers(seen).slice(8)).toEqual([8, 6, 7]);
  });

  it("a given id is published once; odd ones come back as they were; numbers and halves of characters are refused before anything is sent", async () => {
    const { queue, name } = await fresh();
    expect(await queue.publish([{ id: "a", body: { n: 1 } }, { body: { n: 2 } }, { id: "a", body: { n: 3 } }])).toEqual(
      [{ id: "a" }, { id: "1" }, { id: "a", existing: true }],
    );
    expect(
      await queue.publish([
        { id: "a", body: {}, ahead: true },
        { id: "a", body: {}, delayMs: 5 },
      ]),
    ).toEqual(Array(2).fill({ id: "a", existing: true }));
    const ids = ["0:x", "a:b", "waiting", "50%3A", "日本 \u{1F600}", "1.5", "x".repeat(300)];
    expect((await queue.publish(ids.map((id) => ({ id, body: {} })))).map(({ id }) => id)).toEqual(ids);
    expect(await queue.cancel?.(["a:b", "waiting", "nope"])).toEqual(["a:b", "waiting"]);
    for (const id of ["12", "0", "-3", "", "\ud800"]) {
      await expect(queue.publish([{ body: {} }, { id, body: {} }])).rejects.toMatchObject({ code: "BAD_OPTION" });
    }
    expect((await queue.count?.())?.ready).toBe(7);
    // Bee-Queue lets its users take a number that it has not given yet.
    await (await native(name, { isWorker: false })).createJob({}).setId("2").save();
    expect(await queue.publish([{ body: {} }])).toEqual([{ id: "3" }]);
  });

  it("counts, tells states, cancels and clears, never what runs", async () => {
    const { queue } = await fresh();
    await queue.publish(range(1_500).map((n) => ({ body: { n }, ...(n % 3 === 0 ? { delayMs: 60_000 } : {}) })));
    const held = await consume(queue, () => sleep(200).then(done), 2);
    await until(() => held.seen.length === 2);
    expect(await queue.count?.()).toEqual({ ready: 998, delayed: 500, running: 2 });
    held.consumer.setWindow(0);
    const [one, two] = held.seen.map(({ id }) => id) as [string, string];
    expect([
      await queue.state?.(one),
      await queue.state?.("1"),
      await queue.state?.("1500"),
      await queue.state?.("x"),
    ]).toEqual(["running", "delayed", "waiting", "unknown"]);
    expect(await queue.cancel?.([one, two, "1", "1500"])).toEqual(["1", "1500"]);
    expect([await queue.reschedule?.(one, { delayMs: 1 }), await queue.reschedule?.("1499", { delayMs: 1 })]).toEqual([
      false,
      true,
    ]);
    await queue.clear?.();
    expect(await queue.count?.()).toEqual({ ready: 0, delayed: 0, running: 2 });
    await until(() => held.settled.length === 2);
    expect(held.settled.every((each) => each.endsWith("applied"))).toBe(true);
  });

  it("shares a queue with Bee-Queue's own worker, producer and check: each job once", async () => {
    const { queue, name } = await fresh({}, 2_000);
    const bee = await native(name, {
      activateDelayedJobs: true,
      delayedDebounce: 1,
      stallInterval: 500,
      removeOnSuccess: true,
    });
    const theirs: unknown[] = [];
    bee.process(5, async (job: { data: { n: unknown } }) => {
      await sleep(1);
      theirs.push(job.data.n);
    });
    void bee.checkStalledJobs(100);
    const ours = await consume(queue, () => sleep(1).then(done), 5);
    await Promise.all([
      ...range(500).map((n) => bee.createJob({ n: `bee${n}` }).save()),
      ...range(10).map((n) => queue.publish(range(50).map((i) => ({ body: { n: `own${n * 50 + i}` } })))),
      ...range(20).map((n) =>
        bee
          .createJob({ n: `later${n}` })
          .delayUntil(Date.now() + 100)
          .save(),
      ),
    ]);
    await until(() => theirs.length + ours.settled.length >= 1_020);
    await sleep(50);
    expect(new Set([...theirs, ...numbers(ours.seen)]).size).toBe(1_020);
    expect(theirs.length + ours.seen.length).toBe(1_020);
    expect(Math.min(theirs.length, ours.seen.length)).toBeGreaterThan(50);
    expect(ours.settled.every((each) => each.endsWith("applied"))).toBe(true);
    expect(await queue.count?.()).toEqual({ ready: 0, delayed: 0, running: 0 });
    expect(await redis?.hlen(`${run}:${name}:funboost`)).toBe(0);
  });

  it("a run longer than the lease stays ours, whoever checks, and how often", async () => {
    const { queue, name } = await fresh({}, 600);
    const bee = await native(name, { stallInterval: 420 });
    void bee.checkStalledJobs(50);
    await queue.publish([{ body: { n: 1 } }]);
    const one = await consume(queue, () => sleep(2_000).then(done));
    const two = await consume(queue, done);
    await until(() => one.settled.length + two.settled.length > 0);
    expect([one.settled, one.seen.length + two.seen.length]).toEqual([["1:applied"], 1]);
  });

  it("keeps what runs after the server stood still: a rescue leaves everyone time to say that he lives", async () => {
    const leaseMs = 2_000;
    const { queue, name } = await fresh({}, leaseMs);
    await queue.publish([{ body: { n: 1 } }]);
    const { opened, open } = gate();
    const one = await consume(queue, () => opened.then(done));
    await until(() => one.seen.length === 1);
    await sleep(leaseMs / 10); // its own first look is over
    await redis?.sadd(`${run}:${name}:stalling`, "1");
    await redis?.del(...["stallBlock", "funboostLook", "funboostLook:held"].map((key) => `${run}:${name}:${key}`));
    const two = await consume(queue, done); // looks at once
    await sleep(1.5 * leaseMs);
    expect(two.seen).toEqual([]);
    open();
    await until(() => one.settled.length === 1);
    expect(one.settled).toEqual(["1:applied"]);
  });

  it("tells its jobs' ends to Bee-Queue's own listeners where they are asked for", async () => {
    const { queue, name } = await fresh({ queue: { sendEvents: true, removeOnSuccess: false } });
    const bee = await native(name, { isWorker: false, getEvents: true, storeJobs: true });
    const heard: unknown[] = [];
    const job = await bee.createJob({ n: 1 }).save();
    job.on("retrying", (error) => heard.push(["retrying", error.message]));
    job.on("succeeded", (result) => heard.push(["succeeded", result]));
    bee.on("job failed", (id, error) => heard.push(["failed", id, error.message]));
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    const answers: Settlement[] = [
      { outcome: "retry", error: new Error("not yet"), delayMs: 0 },
      { outcome: "done", result: { ok: true } },
      { outcome: "failed", error: new Error("never") },
      { outcome: "done", result: loop },
    ];
    const { settled } = await consume(queue, () => answers.shift() as Settlement);
    await until(() => settled.length === 2);
    await queue.publish([{ id: "bad", body: {} }, { body: {} }]);
    await until(() => settled.length === 4 && heard.length === 3);
    expect(heard).toEqual([
      ["retrying", "not yet"],
      ["succeeded", { ok: true }],
      ["failed", "bad", "never"],
    ]);
    expect([await queue.state?.("1"), (await stored(name, "1")).status]).toEqual(["done", "succeeded"]);
  });

  it("consumes foreign jobs, whose own retries do not matter, and passes options on to Bee-Queue's workers", async () => {
    const { queue, name } = await fresh({ job: { retries: 7, timeout: 500 }, queue: { removeOnFailure: true } });
    await queue.publish([{ body: { n: 1 }, native: { retries: 2 } }]);
    expect((await stored(name, "1")).options).toMatchObject({ retries: 2, timeout: 500 });
    const bee = await native(name, { isWorker: false });
    await bee.createJob({ n: 2 }).retries(3).backoff("fixed", 60_000).save();
    const {
      seen,
      settled,
      consumer: ours,
    } = await consume(queue, ({ id }) => (id === "1" ? done() : { outcome: "failed", error: new Error("for good") }));
    await until(() => settled.length === 2);
    expect(numbers(seen)).toEqual([1, 2]);
    expect(await queue.state?.("2")).toBe("unknown");
    // What failed under a worker of theirs counts.
    const worker = await native(name, { activateDelayedJobs: true });
    const theirs = bee.createJob({ n: 3 }).retries(1).backoff("fixed", 300);
    const failed = new Promise((resolve) => worker.on("retrying", resolve));
    ours.setWindow(0);
    await sleep(30);
    worker.process(1, () => Promise.reject(new Error("theirs")));
    await theirs.save();
    await failed;
    await worker.close();
    ours.setWindow(1);
    await until(() => seen.length === 3);
    expect([seen[2]?.attempt, seen[2]?.body]).toEqual([2, { n: 3 }]);
  });

  it("keeps the last failed jobs of its own, and all of others", async () => {
    const { queue, name } = await fresh();
    const key = (of: string) => `${run}:${name}:${of}`;
    const old = range(5_000).map((n) => `old${n}`);
    await redis?.rpush(key("funboostFailed"), ...old);
    await redis?.sadd(key("failed"), ...old, "theirs");
    await redis?.hset(key("jobs"), ...[...old, "theirs"].flatMap((id) => [id, "{}"]));
    await queue.publish([{ id: "new", body: {} }]);
    const { settled } = await consume(queue, () => ({ outcome: "failed", error: new Error("x") }));
    await until(() => settled.length === 1);
    expect([await redis?.scard(key("failed")), await redis?.hlen(key("jobs"))]).toEqual([5_001, 5_001]);
    expect([
      await queue.state?.("new"),
      await queue.state?.("theirs"),
      await queue.state?.("old4999"),
      await queue.state?.("old4998"),
    ]).toEqual(["failed", "failed", "unknown", "failed"]);
  });

  it("a run whose job was given to another ends as stale, changes nothing, and hears of it", async () => {
    const { queue, name } = await fresh({}, 600);
    await queue.publish([1, 2, 3].map((n) => ({ id: `j${n}`, body: { n } })));
    const aborted: string[] = [];
    const answers: Settlement[] = [
      done(),
      { outcome: "retry", error: new Error("late"), delayMs: 0 },
      { outcome: "returned" },
    ];
    let go = () => {};
    const blocked = new Promise<void>((resolve) => (go = resolve));
    const late = await consume(
      queue,
      async ({ id, signal, body }) => {
        signal?.addEventListener("abort", () => aborted.push(id));
        await blocked;
        return answers[(body as { n: number }).n - 1] as Settlement;
      },
      3,
      true,
    );
    await until(() => late.seen.length === 3);
    late.consumer.setWindow(0);
    // What a check of Bee-Queue finds when their process did not say for an interval that it lives.
    await redis?.sadd(`${run}:${name}:stalling`, "j1", "j2", "j3");
    await redis?.del(`${run}:${name}:stallBlock`);
    const bee = await native(name, { stallInterval: 600 });
    expect(await bee.checkStalledJobs()).toBe(3);
    const other = await consume(queue, () => sleep(300).then(done), 3);
    await until(() => other.seen.length === 3);
    await until(() => aborted.length === 3);
    go();
    await until(() => late.settled.length === 3);
    expect(late.settled.sort()).toEqual(["j1:stale", "j2:stale", "j3:stale"]);
    await until(() => other.settled.length === 3);
    expect(other.settled.sort()).toEqual(["j1:applied", "j2:applied", "j3:applied"]);
    expect(other.seen.map(({ attempt, crashes }) => [attempt, crashes])).toEqual(Array(3).fill([1, 1]));
    expect([late.errors, await queue.count?.()]).toEqual([[], { ready: 0, delayed: 0, running: 0 }]);
  });

  it("a late run changes nothing either when a worker of Bee-Queue has its job now", async () => {
    const { queue, name } = await fresh({}, 600);
    await queue.publish([{ id: "j", body: {} }]);
    let go = () => {};
    const late = await consume(
      queue,
      () => new Promise<Settlement>((resolve) => (go = () => resolve({ outcome: "failed", error: new Error("late") }))),
    );
    await until(() => late.seen.length === 1);
    late.consumer.setWindow(0);
    await redis?.sadd(`${run}:${name}:stalling`, "j");
    await redis?.del(`${run}:${name}:stallBlock`);
    const bee = await native(name, { stallInterval: 600 });
    expect(await bee.checkStalledJobs()).toBe(1);
    await until(async () => (await redis?.hget(`${run}:${name}:funboost`, "j")) === "1:");
    const running = new Promise<void>((resolve) => bee.process(1, () => sleep(300).then(resolve)));
    await until(async () => (await list(name, "active"))?.includes("j"));
    go();
    await until(() => late.settled.length === 1);
    expect([late.settled, await queue.state?.("j")]).toEqual([["j:stale"], "running"]);
    await running;
    await until(async () => (await queue.state?.("j")) === "done");
  });

  it("counts crashes over retries, and forgets them with the job", async () => {
    const { queue, name } = await fresh({}, 300);
    await queue.publish([{ id: "j", body: {} }]);
    for (const _ of range(2)) {
      const dies = await consume(queue, () => new Promise(() => {}));
      await until(() => dies.seen.length === 1);
      await dies.consumer.close({ force: true });
    }
    const { seen, settled } = await consume(queue, ({ attempt }) =>
      attempt === 1 ? { outcome: "retry", error: new Error("x"), delayMs: 10 } : done(),
    );
    await until(() => settled.length === 2);
    expect(seen.map(({ attempt, crashes }) => [attempt, crashes])).toEqual([
      [1, 2],
      [2, 2],
    ]);
    expect(await redis?.exists(`${run}:${name}:funboost`)).toBe(0);
  });

  it("a closed window leaves what comes where it is, and nothing is lost when it moves while a wait is under way", async () => {
    const { queue, name } = await fresh();
    const { seen, settled, consumer } = await consume(queue, done);
    await sleep(50); // it waits
    consumer.setWindow(0);
    await sleep(50);
    // In one write: a wait under way would be served before the last command.
    const key = (of: string) => `${run}:${name}:${of}`;
    const [, , [, taken] = []] =
      (await redis
        ?.pipeline()
        .hset(key("jobs"), "x", '{"data":{"n":0}}')
        .lpush(key("waiting"), "x")
        .lrange(key("active"), 0, -1)
        .exec()) ?? [];
    expect(taken).toEqual([]);
    await sleep(100);
    expect([seen.length, await list(name, "waiting"), await list(name, "active")]).toEqual([0, ["x"], []]);
    for (const n of range(60)) {
      consumer.setWindow(n % 3);
      if (n % 2) await queue.publish([{ body: { n } }]);
      if (n % 5 === 0) await sleep(n % 4);
    }
    consumer.setWindow(2);
    await until(() => settled.length === 31);
    expect([seen.length, await list(name, "active")]).toEqual([31, []]);
  });

  it("what a wait has just brought is run once when the window closes in this moment, beside another consumer", async () => {
    const { broker, queue, name } = await fresh();
    const other = await consume(await broker.open({ queue: name, options: {}, leaseMs: 15_000 }), done, 3);
    const { seen, settled, consumer } = await consume(queue, done);
    for (const n of range(600)) {
      consumer.setWindow(1 + (n % 3));
      await queue.publish([{ body: { n } }]);
      for (const _ of range(n % 6)) await new Promise((resolve) => setImmediate(resolve));
      consumer.setWindow(0);
      if (n % 5 === 0) await sleep(1);
    }
    await until(() => settled.length + other.settled.length >= 600);
    const all = [...seen, ...other.seen];
    expect(numbers(all).sort((a, b) => Number(a) - Number(b))).toEqual(range(600));
    expect(all.filter(({ crashes }) => crashes)).toEqual([]);
  }, 15_000);

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
    await context.run("publisher", () => queue.publish([{ body: {} }, { body: {}, delayMs: 30 }]));
    await until(() => settled.length === 2);
    expect(seen).toEqual([undefined, undefined]);
  });

  it("copies the settings of a client of the caller, never uses or closes it, and leaves no connection behind", async () => {
    const line = await cuttable();
    const own = (await native("any")) as unknown as {
      client: { ping(done: (error: unknown, reply: string) => void): void };
    };
    const given = { host: "127.0.0.1", port: line.port, db: 0 };
    for (const connection of [{ ...given, duplicate: () => {}, options: given }, given]) {
      const broker = beeQueue({ connection, prefix: run, storePrefix: `${run}f:` });
      const queue = await broker.open({ queue: `own${counter++}`, options: {}, leaseMs: 15_000 });
      await queue.publish([{ body: { n: 1 } }]);
      const { settled } = await consume(queue, done);
      await until(() => settled.length === 1);
      await (await broker.store?.())?.set([{ key: "a", value: "b" }]);
      expect(line.open()).toBeGreaterThan(2);
      await broker.close();
      await broker.close();
      await until(() => line.open() === 0);
    }
    expect(await new Promise((resolve) => own.client.ping((_, reply) => resolve(reply)))).toBe("PONG");
    const copied = beeQueue({ connection: own.client as never });
    ends.push(() => copied.close());
    expect(await (await copied.open({ queue: "x", options: {}, leaseMs: 1_000 })).publish([])).toEqual([]);
  });

  it("a publish waits while its connection is made again", async () => {
    const line = await cuttable();
    const { queue } = await fresh({}, 15_000, `redis://127.0.0.1:${line.port}`);
    for (let n = 1; n <= 5; n++) {
      line.cut(true);
      await sleep(20);
      const publishing = queue.publish([{ body: { n } }]);
      await sleep(100 * n); // some tries fail
      line.cut(false);
      expect(await publishing).toEqual([{ id: String(n) }]);
    }
    expect(await queue.count?.()).toMatchObject({ ready: 5 });
  }, 15_000);

  it("publishing fails in time while the server is away, nothing is sent later, and consumers go on when it is back", async () => {
    const line = await cuttable();
    const { queue, name } = await fresh({}, 15_000, `redis://127.0.0.1:${line.port}`, 500);
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
    await expect(queue.publish([{ body: { n: "lost" }, ahead: true }])).rejects.toMatchObject({ code: "BROKER_DOWN" });
    await expect(queue.count?.()).rejects.toMatchObject({ code: "BROKER_DOWN" });
    expect(performance.now() - t).toBeLessThan(3_000);
    expect(errors[0]).toMatchObject({ code: "BROKER_DOWN" });
    await sleep(100);
    line.cut(false);
    await until(async () => (await queue.publish([{ body: { n: 2 } }]).catch(() => [])).length);
    await until(() => settled.length === 2);
    expect(numbers(seen)).toEqual([1, 2]);
    expect(settled).toEqual(["1:applied", "2:applied"]);
    expect(await list(name, "active")).toEqual([]);
  }, 15_000);

  it("what the server gave while its answer was lost is asked for again at once, and is no crash", async () => {
    const line = await cuttable();
    const { queue } = await fresh({}, 15_000, `redis://127.0.0.1:${line.port}`);
    await queue.publish(range(5).map((n) => ({ body: { n } })));
    const { seen, settled, consumer } = await consume(queue, done, 0);
    await sleep(50);
    line.mute(true); // commands go through, answers do not
    consumer.setWindow(3);
    await sleep(100);
    line.cut(true);
    line.mute(false);
    line.cut(false);
    await until(() => settled.length === 5);
    expect(seen.map(({ crashes }) => crashes)).toEqual(Array(5).fill(0));
    expect(numbers(seen).sort()).toEqual(range(5));
  }, 15_000);

  it("goes on after a server that was killed and started anew, whose scripts are gone", async () => {
    const server = await startPrivate("redis", { durable: true });
    ends.push(() => server.stop());
    if (server.unavailable) throw new Error(server.unavailable);
    const { queue } = await fresh({}, 600, server.settings?.REDIS_URL);
    await queue.publish([{ id: "held", body: { n: 21 } }]);
    const dies = await consume(queue, () => new Promise(() => {}));
    await until(() => dies.seen.length === 1);
    dies.consumer.setWindow(0);
    const { seen, settled } = await consume(queue, ({ attempt }) => sleep(attempt === 1 ? 30 : 0).then(done), 2);
    await queue.publish(range(20).map((n) => ({ body: { n } })));
    await until(() => settled.length > 3);
    await server.restart();
    await until(async () => (await queue.publish([{ body: { n: 20 }, delayMs: 50 }]).catch(() => [])).length);
    await until(() => new Set(numbers(seen)).size === 21, 10_000);
    await until(async () => (await queue.count?.())?.running === 1);
    // Bee-Queue's own check, whose script is gone too.
    await dies.consumer.close({ force: true });
    await until(() => seen.some(({ id }) => id === "held"));
  }, 20_000);

  it("says what is wrong with the server", async () => {
    const open = (at: string) => {
      const broker = beeQueue({ url: at });
      ends.push(() => broker.close());
      return broker.open({ queue: "x", options: {}, leaseMs: 1_000 });
    };
    await expect(open("redis://:secret@127.0.0.1:1")).rejects.toMatchObject({
      code: "BROKER_DOWN",
      message: expect.stringMatching(/\[bee-queue\].*\*\*\*@127.0.0.1:1.*ECONNREFUSED/),
    });
    const wrong = "-WRONGPASS invalid username-password pair\r\n";
    const refused = open(
      `redis://:secret@127.0.0.1:${await fakeRedis((command) => (command.includes("AUTH") ? wrong : "+OK\r\n"))}`,
    );
    await expect(refused).rejects.toMatchObject({
      code: "BROKER_REFUSED",
      message: expect.not.stringContaining("secret"),
    });
    expect(
      JSON.stringify(await refused.catch((error) => ({ ...error.cause, message: error.cause.message }))),
    ).not.toContain("secret");
    const locked = await startPrivate("redis");
    ends.push(() => locked.stop());
    const admin = new Redis(locked.port);
    await admin.config("SET", "requirepass", "right");
    admin.disconnect();
    for (const user of ["", ":wrong@", "nobody:right@"]) {
      await expect(open(`redis://${user}127.0.0.1:${locked.port}`)).rejects.toMatchObject({
        code: "BROKER_REFUSED",
        message: expect.not.stringMatching(/wrong@|right/),
      });
    }
    expect(await (await open(`redis://:right@127.0.0.1:${locked.port}/3`)).publish([{ body: {} }])).toEqual([
      { id: "1" },
    ]);
    await expect(
      open(`redis://127.0.0.1:${await fakeRedis(() => "-NOAUTH Authentication required.\r\n")}`),
    ).rejects.toMatchObject({ code: "BROKER_REFUSED" });
    const old = await fakeRedis(infoOf("4.0.9"));
    await expect(open(`redis://127.0.0.1:${old}`)).rejects.toMatchObject({
      code: "BROKER_REFUSED",
      message: expect.stringContaining("4.0.9"),
    });
    await expect(open(`redis://127.0.0.1:${new URL(url).port}/9999`)).rejects.toMatchObject({
      code: "BROKER_REFUSED",
      message: expect.stringMatching(/DB index/),
    });
    const t = performance.now();
    await expect(open(`redis://127.0.0.1:${await fakeRedis(() => "")}`)).rejects.toMatchObject({ code: "BROKER_DOWN" });
    const closing = await fakeRedis((command) => (command.includes("PING") ? "+PONG\r\n" : undefined));
    await expect(open(`redis://127.0.0.1:${closing}`)).rejects.toMatchObject({ code: "BROKER_DOWN" });
    expect(performance.now() - t).toBeLessThan(6_000);
  }, 20_000);

  it("refuses names and options that it cannot take, and says where it connects to", async () => {
    const { broker } = await fresh();
    for (const queue of ["", "\udc00"])
      await expect(broker.open({ queue, options: {}, leaseMs: 1 })).rejects.toMatchObject({ code: "BAD_QUEUE" });
    const wrong = [
      { storeJobs: true },
      { stallInterval: "soon" },
      { stallInterval: 0 },
      { removeOnSuccess: "no" },
      null,
      "x",
    ].map((queue) => ({ queue }));
    for (const options of [{ nope: 1 }, ...wrong, { job: { delay: "soon" } }, { job: "x" }]) {
      await expect(broker.open({ queue: "a", options, leaseMs: 1 })).rejects.toMatchObject({ code: "BAD_OPTION" });
    }
    // It would leave jobs behind that nobody may publish again, and take its neighbours with it.
    const open = await broker.open({ queue: "a", options: {}, leaseMs: 1_000 });
    const [refused, taken] = await Promise.allSettled([
      open.publish([{ body: 1, native: { delay: "soon" } }]),
      open.publish([{ body: 2 }]),
    ]);
    expect([refused, taken.status]).toMatchObject([{ reason: { code: "BAD_OPTION" } }, "fulfilled"]);
    const bad = ["http://user:secret@x", "redis://:sec/ret@1@cache"];
    for (const each of bad) {
      expect(() => beeQueue({ url: each })).toThrow(/bee-queue/);
      expect(() => beeQueue({ url: each })).not.toThrow(/sec\/?ret/);
    }
    expect(() => beeQueue({ uri: "x" } as never)).toThrow(/uri/);
    expect(() => beeQueue({ url: "redis://x", connection: {} })).toThrow(/not both/);
    expect(() => beeQueue({ connection: new Redis({ lazyConnect: true }) as never })).toThrow(/node_redis 3/);
    const address = (given: Parameters<typeof beeQueue>[0]) => beeQueue(given).address?.();
    expect(address({})).toBe("redis://127.0.0.1:6379");
    expect(address({ url: "rediss://me:secret@cache.internal:6380/2?password=secret" })).toBe(
      "rediss://***@cache.internal:6380/2",
    );
    expect(address({ connection: { host: "cache", password: "secret" } })).toBe("cache:6379");
  });

  it("takes queue names with colons as Bee-Queue does, each for itself, and names a queue for the store by its prefix too", async () => {
    const { broker } = await fresh();
    const names = ["n", "n:jobs", "n:waiting", "n:x", "n:x:id"];
    const queues = await Promise.all(names.map((queue) => broker.open({ queue, options: {}, leaseMs: 1_000 })));
    for (const [i, queue] of queues.entries()) await queue.publish(range(i + 1).map((n) => ({ body: { n } })));
    expect(await Promise.all(queues.map(async (queue) => (await queue.count?.())?.ready))).toEqual([1, 2, 3, 4, 5]);
    for (const queue of queues) await queue.clear?.();
    const plain = await broker.open({ queue: "n", options: { prefix: "bq" }, leaseMs: 1_000 });
    expect([queues[0]?.scope, "scope" in plain]).toEqual([`${run}:n`, false]);
  });

  it("gives messages with a priority ids that nobody has in the queue itself", async () => {
    const { broker } = await fresh();
    const task = boost({ queue: `q${counter++}`, broker, rpc: true }, async (n: number) => n * 2);
    const plain = await task.push(1);
    const urgent = await task.publish([2], { priority: 5 });
    expect(urgent.id).not.toBe(plain.id);
    const consumer = await task.consume();
    ends.push(() => consumer.close());
    expect(await Promise.all([plain, urgent].map((handle) => handle.waitResult({ timeout: 5_000 })))).toEqual([2, 4]);
  });
});

const infoOf = (version: string) => (command: string) => {
  const info = `redis_version:${version}\r\nloading:0\r\n`;
  return command.includes("INFO") ? `$${info.length}\r\n${info}\r\n` : "+OK\r\n";
};

/** A way to the server that can be cut, or let through in one direction only. */
async function cuttable() {
  const { hostname, port } = new URL(url);
  const open = new Set<Socket>();
  let isCut = false;
  let isMute = false;
  const server = createServer((near) => {
    if (isCut) return near.destroy();
    const far = connect(Number(port), hostname);
    open.add(near);
    near.on("close", () => far.destroy(void open.delete(near)));
    far.on("close", () => near.destroy());
    for (const socket of [near, far]) socket.on("error", () => {});
    near.on("data", (data) => far.write(data));
    far.on("data", (data) => isMute || near.write(data));
    return near;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(async () => server.close());
  const cut = (now: boolean) => {
    isCut = now;
    if (now) for (const socket of open) socket.destroy();
  };
  return {
    port: (server.address() as { port: number }).port,
    cut,
    mute: (now: boolean) => (isMute = now),
    open: () => open.size,
  };
}

/** Undefined: hangs up. */
async function fakeRedis(answer: (command: string) => string | undefined): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (data) => {
      for (const command of data
        .toString()
        .toUpperCase()
        .split(/(?=\*\d+\r\n)/)) {
        const text = answer(command);
        if (text === undefined) socket.destroy();
        else socket.write(text);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(async () => server.close());
  return (server.address() as { port: number }).port;
}
