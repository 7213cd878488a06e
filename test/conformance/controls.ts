/** What is controlled from outside while tasks run: live limits, a hold, one rate for all. Kept in the store. */
import assert from "node:assert/strict";
import { fct } from "../../src/index.ts";
import { kept } from "./case.ts";
import { each, track } from "./track.ts";
import { gate } from "./until.ts";

const params = ["value", "ms?"];
/** In which a live change is in force. */
const soonMs = 1_000;

export const controls = kept({
  async "setConcurrency and setQps are in force within a second, until they are taken back"({ task, consume, until }) {
    const door = gate();
    const seen = track<number>();
    const job = task({ concurrency: 1, prefetch: 0 }, (n: number) => seen.run(n, () => door.opened));
    await consume(job);
    await job.pushMany(each(10));
    await until("one runs", () => seen.running === 1);
    await job.setConcurrency(4);
    await until("four run", () => seen.running === 4, soonMs);
    await job.setQps(0.01);
    await job.setConcurrency(null);
    const held = seen.started.length;
    door.open();
    await until("the four have ended", () => seen.running === 0);
    assert.ok(seen.started.length <= held + 1, `${seen.started.length - held} started at one in a hundred seconds`);
    await job.setQps(null);
    seen.reset();
    await until("all have ended", () => seen.ended.length === 10);
    assert.ok(seen.peak <= 1);
  },

  "a live limit holds for a process that comes later": {
    needs: ["durable"],
    processes: true,
    async run(context) {
      const job = context.task({ params }, (_value: unknown, _ms?: number) => {});
      await job.setConcurrency(2);
      await job.pushMany(each(6).map(([n]) => [n, 60_000]));
      const other = await context.child({ params: { concurrency: 5 } });
      await context.until("two run", () => other.seen("start").length === 2);
      await context.holds("no more", () => other.seen("start").length === 2, 300);
      await job.setConcurrency(null);
      await context.until("five run", () => other.seen("start").length === 5, soonMs);
    },
  },

  "slowDown holds all starts for its time": {
    engine: false,
    async run({ task, consume, until, holds }) {
      const starts: number[] = [];
      const job = task({ concurrency: 1, prefetch: 0 }, async (_n: number) => {
        starts.push(performance.now());
        if (starts.length === 2) await fct.slowDown(1_000);
      });
      await consume(job);
      await job.pushMany(each(5));
      await until("two have started", () => starts.length >= 2);
      await holds("no third", () => starts.length === 2, 350);
      await until("all have started", () => starts.length === 5);
      assert.ok((starts[2] ?? 0) - (starts[1] ?? 0) >= 990);
    },
  },

  "a global qps is one limit for all processes": {
    engine: false,
    needs: ["durable"],
    processes: true,
    alone: true,
    async run(context) {
      const job = context.task({ params }, (_value: unknown, _ms?: number) => {});
      const options = { params: { qps: 40, qpsScope: "global" as const } };
      await job.pushMany(each(200));
      const children = await Promise.all([context.child(options), context.child(options), context.child(options)]);
      const started = () => children.reduce((all, child) => all + child.seen("start").length, 0);
      await context.until("they have begun", () => started() > 0);
      const start = performance.now();
      const before = started();
      await context.until("100 more", () => started() >= before + 100);
      const rate = ((started() - before) * 1000) / (performance.now() - start);
      // Three limits would be 120. On a busy machine starts come late, and those that are too late are not made up for.
      assert.ok(rate > 15 && rate < 44, `${rate.toFixed(1)} starts a second`);
      await context.until("all", () => started() === 200);
    },
  },

  async "info and stats tell what has run, and what waits"({ task, consume, until, patienceMs, features }) {
    const job = task({ rpc: true, maxRetries: 0 }, (n: number) => {
      if (n === 3) throw new Error("no");
    });
    const consumer = await consume(job);
    const handles = await job.pushMany(each(5));
    await Promise.allSettled(handles.map((handle) => handle.waitResult({ timeout: patienceMs })));
    await until("five have run", async () => (await job.info()).ran === 5);
    await consumer.close();
    await job.push(9);
    const info = await job.info();
    assert.deepEqual([info.ran, info.failed, info.queue], [5, 1, job.queue]);
    if (features.exactCount) assert.deepEqual([info.ready, info.delayed], [1, 0]);
    assert.ok(info.ranPerMinute > 2 && info.failedPerMinute > 0.4 && (info.meanMs ?? -1) >= 0 && (info.etaMs ?? 0) > 0);
    const points = await job.stats({ step: "1m" });
    assert.deepEqual(
      [points.reduce((all, { ran }) => all + ran, 0), points.reduce((all, { failed }) => all + failed, 0)],
      [5, 1],
    );
    assert.ok(points.length >= 60 && points.length <= 62);
    await job.clear();
  },
});
