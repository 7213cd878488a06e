/** The server of the engine, or of its store, is killed and started again over its data, while its clients live on. */
import assert from "node:assert/strict";
import { fct, isFunboostError } from "../../src/index.ts";
import { cases } from "./case.ts";
import type { Context } from "./context.ts";
import { doubles, each, range, sorted, track } from "./track.ts";
import { rejection, working } from "./until.ts";

const params = ["value", "ms?"];
const concurrency = 5;
/** Connecting again, leases of what was held, and a server that starts. */
const recoversMs = 60_000;

/** Calls until the server answers. */
async function insist({ until }: Context, call: () => Promise<unknown>): Promise<void> {
  const answered = () =>
    call().then(
      () => true,
      () => false,
    );
  await until("the server answers again", answered, recoversMs);
}

/** The server is down until it is started again: by the case, or after it. */
async function outage({ killServer, restartServer, defer }: Context): Promise<() => Promise<void>> {
  let down = true;
  const end = async () => {
    if (down) await restartServer();
    down = false;
  };
  defer(end);
  await killServer();
  return end;
}

export const restarts = cases({
  "the server is killed twice in mid-work: nothing is lost, and the worker goes on by itself": {
    needs: ["durable", "redelivers"],
    processes: true,
    timeoutMs: 180_000,
    async run(context) {
      const n = context.many(200);
      const job = context.task({ params, publishTimeout: "30s" }, (_value: number, _ms?: number) => {});
      await job.pushMany(range(n).map((i) => [i, 20]));
      const worker = await context.child({ params: { concurrency } });
      const ended = () => worker.seen("end").map(({ value }) => value as number);
      await context.until("a fifth is done", () => ended().length >= n / 5, recoversMs);
      await context.restartServer();
      await context.until("half is done", () => new Set(ended()).size >= n / 2, recoversMs);
      const endOutage = await outage(context);
      await working(1_500);
      await endOutage();
      await context.until("all are done", () => new Set(ended()).size === n, recoversMs);
      await insist(context, () => job.push(n, 0));
      await context.until("what is published later is done", () => ended().includes(n), recoversMs);
      await context.until("the queue is empty", async () => (await job.count()) === 0, recoversMs);
      const doubles = ended().length - new Set(ended()).size;
      // Each kill may find every slot taken, and as many ended whose acknowledgement was under way.
      assert.ok(doubles <= 4 * concurrency, `${doubles} of ${n} ran twice`);
    },
  },

  "whoever waits for results gets them after a restart of the server": {
    needs: ["durable", "redelivers"],
    timeoutMs: 120_000,
    async run(context) {
      const seen = track<number>();
      const job = context.task({ rpc: true, concurrency }, (n: number) =>
        seen.run(n, () => working(50).then(() => n * 2)),
      );
      const handles = await job.pushMany(each(20));
      const results = Promise.all(handles.map((handle) => handle.waitResult({ timeout: recoversMs })));
      results.catch(() => {}); // looked at below
      await context.consume(job);
      await context.until("some are done", () => seen.ended.length >= 6);
      await context.restartServer();
      assert.deepEqual(
        await results,
        range(20).map((n) => n * 2),
      );
    },
  },

  "a publish while the server is down is refused in time, and never delivered": {
    needs: ["durable"],
    timeoutMs: 120_000,
    async run(context) {
      const seen = track<string>();
      const job = context.task({ publishTimeout: "2s" }, (text: string) => seen.run(text));
      await job.push("before");
      const endOutage = await outage(context);
      const started = performance.now();
      const errors = await Promise.all([
        rejection(job.push("down")),
        rejection(job.publish(["down too"], { delay: 100 })),
        rejection(job.pushMany([["a"], ["b"]])),
      ]);
      assert.ok(performance.now() - started < 5_000, "it took too long");
      for (const error of errors)
        assert.ok(
          isFunboostError(error) && ["PUBLISH_FAILED", "BROKER_DOWN"].includes(error.code),
          `rejected with ${error}`,
        );
      for (const error of errors) assert.deepEqual((error.accepted as unknown) ?? [], []);
      await endOutage();
      await context.consume(job);
      await insist(context, () => job.push("after"));
      await context.until(
        "what was accepted is done",
        () => ["before", "after"].every((text) => seen.ended.includes(text)),
        recoversMs,
      );
      await context.holds(
        "what was refused is not delivered",
        () => seen.started.every((text) => ["before", "after"].includes(text)),
        1_000,
      );
    },
  },

  "what is delayed and what is paused stay so through a restart of the server": {
    needs: ["durable"],
    feature: "delay",
    uses: ["pause"],
    timeoutMs: 120_000,
    async run(context) {
      const seen = track<string>();
      const job = context.task({}, (text: string) => seen.run(text));
      await job.pause();
      await job.push("ready");
      await job.publish(["delayed"], { delay: 500 });
      await context.restartServer();
      await insist(context, () => job.paused());
      await context.consume(job);
      await context.holds("it is paused", () => seen.started.length === 0, 700);
      await job.resume();
      await context.until("both are done", () => seen.ended.length >= 2, recoversMs);
      assert.deepEqual(sorted(seen.started.map((text) => text.length)), ["ready".length, "delayed".length]);
    },
  },
});

/** The broker goes on meanwhile: what it runs is kept, counted and filtered all the same. */
export const storeRestarts = cases({
  "the store's server is killed twice in mid-work: each task runs once, and no result, row or filter key is lost": {
    store: true,
    timeoutMs: 180_000,
    async run(context) {
      const { until, many } = context;
      const n = many(200);
      const seen = track<number>();
      const job = context.task({ rpc: true, record: true, filter: true, concurrency }, (i: number) =>
        seen.run(i, () => working(20).then(() => i * 2)),
      );
      const handles = await job.pushMany(each(n));
      const results = Promise.all(handles.map((handle) => handle.waitResult({ timeout: recoversMs })));
      results.catch(() => {}); // looked at below
      await context.consume(job);
      await until("a fifth is done", () => seen.ended.length >= n / 5, recoversMs);
      await context.restartServer();
      await until("half is done", () => seen.ended.length >= n / 2, recoversMs);
      const endOutage = await outage(context);
      await working(1_500);
      const held = seen.started.length;
      await context.holds("nothing starts", () => seen.started.length <= held, 500);
      const later = await job.push(n); // the broker is up
      await endOutage();
      assert.deepEqual(
        await results,
        range(n).map((i) => i * 2),
      );
      assert.equal(await later.waitResult({ timeout: recoversMs }), n * 2);
      assert.equal(await (await job.push(0)).waitResult({ timeout: recoversMs }), 0);
      assert.deepEqual(doubles(seen.started), []);
      const rows = await job.records({ limit: 10_000 });
      assert.deepEqual(
        [
          rows.filter(({ status }) => status === "done").length,
          rows.filter(({ status }) => status === "filtered").length,
        ],
        [n + 1, 1],
      );
    },
  },

  "limits for all, a pause and a cancel are as they were after a restart of the store's server": {
    store: true,
    uses: ["pause"],
    timeoutMs: 120_000,
    async run(context) {
      const { until, holds } = context;
      const at: number[] = [];
      const seen = track<number>();
      const job = context.task({ rpc: true, qps: 30, qpsScope: "global", concurrency: 10, prefetch: 0 }, (i: number) =>
        seen.run(i, () => {
          at.push(performance.now());
          const signal = fct.signal as AbortSignal;
          return i > 0
            ? working(50)
            : new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
        }),
      );
      await job.setConcurrency(2);
      await job.pause();
      const first = await job.push(0);
      await context.restartServer();
      await context.consume(job);
      await holds("it is paused", () => seen.started.length === 0, 700);
      await insist(context, () => job.resume());
      await until("it runs", () => seen.running === 1, recoversMs);
      await job.pushMany(each(30).map(([i]) => [i + 1]));
      await until("some have run", () => seen.ended.length > 3, recoversMs);
      const endOutage = await outage(context);
      await working(1_000);
      await endOutage();
      await insist(context, () => first.cancel());
      assert.equal((await rejection(first.waitResult({ timeout: recoversMs }))).code, "CANCELLED");
      await until("all have ended", () => seen.ended.length === 31, recoversMs);
      assert.ok(seen.peak <= 2, `${seen.peak} at once`);
      const most = Math.max(...at.map((from) => at.filter((each) => each >= from && each < from + 1_000).length));
      assert.ok(most <= 32, `${most} started within a second`);
    },
  },

  "what is delayed comes once, after a restart of the store's server": {
    feature: "delay",
    timeoutMs: 120_000,
    async run(context) {
      const seen = track<number>();
      const job = context.task({}, (i: number) => seen.run(i));
      await context.consume(job);
      await job.publishMany(range(20).map((i) => ({ args: [i], delay: 300 + 50 * i })));
      await context.until("the first came", () => seen.ended.length > 0, recoversMs);
      const endOutage = await outage(context);
      await working(1_000);
      await endOutage();
      await context.until("all have come", () => seen.ended.length >= 20, recoversMs);
      await context.holds("none comes again", () => seen.started.length === 20, 1_000);
      assert.deepEqual(sorted(seen.started), range(20));
    },
  },
});
