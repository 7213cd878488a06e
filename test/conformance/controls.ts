/** What is controlled from outside while tasks run: cancel, live limits, a hold, one rate for all. Kept in the store. */
import assert from "node:assert/strict";
import { fct } from "../../src/index.ts";
import { cases } from "./case.ts";
import { each, track } from "./track.ts";
import { gate, rejection } from "./until.ts";

const params = ["value", "ms?"];
/** In which a cancel or a live change is in force. */
const soonMs = 1_000;

/** A task's work until its signal aborts, which it rejects with. */
function untilAborted(): Promise<never> {
  const signal = fct.signal as AbortSignal;
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

export const controls = cases({
  async "a running task sees its cancel, ends as cancelled and is not retried"({ task, consume, until }) {
    const seen = track<number>();
    const job = task({ rpc: true, backoff: 0 }, (n: number) => seen.run(n, untilAborted));
    await consume(job);
    const handle = await job.push(1);
    await until("it runs", () => seen.running === 1);
    const start = performance.now();
    assert.equal(await handle.cancel(), true);
    const error = await rejection(handle.waitResult());
    assert.ok(performance.now() - start < soonMs, `after ${performance.now() - start} ms`);
    assert.deepEqual([error.code, error.status, seen.started.length], ["CANCELLED", "cancelled", 1]);
    await until("the queue is empty", async () => (await job.count()) === 0);
    assert.equal(await handle.cancel(), false);
  },

  async "a task that ends well although it was cancelled is done"({ task, consume, until }) {
    const door = gate();
    const seen = track<number>();
    const job = task({ rpc: true }, (n: number) => seen.run(n, () => door.opened.then(() => "done all the same")));
    await consume(job);
    const handle = await job.push(1);
    await until("it runs", () => seen.running === 1);
    await handle.cancel();
    door.open();
    assert.equal(await handle.waitResult(), "done all the same");
  },

  async "a cancelled id may be published again"({ task, consume, until }) {
    const seen = track<number>();
    const job = task({ rpc: true }, (n: number) => seen.run(n, () => (n === 1 ? untilAborted() : "second")));
    await consume(job);
    const handle = await job.publish([1], { taskId: "again" });
    await until("it runs", () => seen.running === 1);
    await handle.cancel();
    await rejection(handle.waitResult());
    await until("the first is gone", async () => (await job.count()) === 0);
    const second = await job.publish([2], { taskId: "again" });
    assert.deepEqual([second.existing, await second.waitResult()], [false, "second"]);
  },

  "a task that runs in another process sees its cancel": {
    needs: ["durable"],
    processes: true,
    async run(context) {
      const job = context.task({ params, rpc: true }, (_value: unknown, _ms?: number) => {});
      const other = await context.child({ behaviour: "patient", params: { rpc: true } });
      const handle = await job.push("a");
      await context.until("it runs there", () => other.seen("start").length === 1);
      assert.equal(await handle.cancel(), true);
      const error = await rejection(handle.waitResult());
      assert.equal(error.code, "CANCELLED");
      assert.equal(other.seen("start").length, 1);
    },
  },

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

  async "slowDown holds all starts for its time"({ task, consume, until, holds }) {
    const starts: number[] = [];
    const job = task({ concurrency: 1, prefetch: 0 }, async (_n: number) => {
      starts.push(performance.now());
      if (starts.length === 2) await fct.slowDown(500);
    });
    await consume(job);
    await job.pushMany(each(5));
    await until("two have started", () => starts.length >= 2);
    await holds("no third", () => starts.length === 2, 350);
    await until("all have started", () => starts.length === 5);
    assert.ok((starts[2] ?? 0) - (starts[1] ?? 0) >= 490);
  },

  "a global qps is one limit for all processes": {
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
      assert.ok(rate > 36 && rate < 44, `${rate.toFixed(1)} starts a second`);
      await context.until("all", () => started() === 200);
    },
  },
});
