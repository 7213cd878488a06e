/** Features that an engine has, or that the core adds: the same cases for both. */
import assert from "node:assert/strict";
import { cases } from "./case.ts";
import { each, range, sorted, track } from "./track.ts";
import { gate, rejection, within } from "./until.ts";

export const features = cases({
  "a delayed message does not run before its time": {
    feature: "delay",
    alone: true, // it measures how late they run: not beside the next case, which fills the server
    async run({ task, consume, until, earlyMs, lateMs }) {
      const at = new Map<string, number>();
      const job = task({}, (name: string) => void at.set(name, performance.now()));
      await consume(job);
      const start = performance.now();
      await job.publish(["delay"], { delay: 300 });
      await job.publish(["text"], { delay: "500ms" });
      await job.publish(["eta"], { eta: new Date(Date.now() + 400) });
      await until("three are handled", () => at.size === 3);
      for (const [name, ms] of [
        ["delay", 300],
        ["text", 500],
        ["eta", 400],
      ] as const) {
        const took = (at.get(name) ?? 0) - start;
        assert.ok(took >= ms - earlyMs, `${name} ran ${ms - took} ms early`);
        assert.ok(took < ms + lateMs, `${name} ran ${took - ms} ms late`);
      }
    },
  },

  "delayed messages do not stand in the way of others": {
    alone: true, // within three seconds
    feature: "delay",
    async run({ task, consume, until, many }) {
      const seen = track<number>();
      const job = task({ concurrency: 2 }, (n: number) => seen.run(n));
      await job.publishMany(range(many(2_000)).map((n) => ({ args: [n] as [number], delay: "1h" })));
      await consume(job);
      await job.pushMany(range(20).map((n) => [10_000 + n]));
      await until("the twenty are handled", () => seen.ended.length === 20, 3_000);
      assert.deepEqual(
        sorted(seen.started),
        range(20).map((n) => 10_000 + n),
      );
      await job.clear();
    },
  },

  "an eta in the past runs now": {
    feature: "delay",
    async run({ task, consume, until }) {
      const seen = track<number>();
      const job = task({}, (n: number) => seen.run(n));
      await job.publish([1], { eta: new Date(Date.now() - 60_000) });
      await job.publish([2], { delay: 0 });
      await consume(job);
      await until("both are handled", () => seen.ended.length === 2, 5_000);
    },
  },

  "hundreds of delayed messages all arrive, once": {
    feature: "delay",
    async run({ task, consume, until, many }) {
      const n = many(500);
      const seen = track<number>();
      const job = task({ concurrency: 20 }, (i: number) => seen.run(i));
      await consume(job);
      await job.publishMany(range(n).map((i) => ({ args: [i] as [number], delay: 50 + (i % 10) * 30 })));
      await until("all are handled", () => seen.ended.length >= n);
      await until("the queue is empty", async () => (await job.count()) === 0);
      assert.deepEqual(sorted(seen.started), range(n));
    },
  },

  "a delayed message survives the end of its process": {
    feature: "delay",
    needs: ["durable"],
    processes: true,
    async run({ child, task, consume, until }) {
      const other = await child({ consume: false });
      await other.call("publish", [5], { delay: 600 });
      await other.kill();
      const seen = track<number>();
      const job = task({ params: ["value", "ms?"] }, (value: number, _ms?: number) => seen.run(value));
      await consume(job);
      await until("it is handled", () => seen.ended.length === 1);
      assert.deepEqual(seen.started, [5]);
    },
  },

  "higher priority first": {
    alone: true, // lanes keep an order as long as a fetch is quick
    feature: "priority",
    uses: ["pause"],
    async run({ task, consume, until }) {
      const seen: number[] = [];
      const job = task({ concurrency: 1, prefetch: 0 }, (priority: number) => void seen.push(priority));
      await job.pause();
      for (const priority of [0, 1000, -1000, 0, 1000, -1000]) await job.publish([priority], { priority });
      await consume(job);
      await job.resume();
      await until("six are handled", () => seen.length === 6);
      assert.deepEqual(seen, [1000, 1000, 0, 0, -1000, -1000]);
    },
  },

  "equal priorities keep their order": {
    alone: true, // as for the case before
    feature: "priority",
    needs: ["ordered"],
    async run({ task, consume, until }) {
      const seen: number[] = [];
      const job = task({ concurrency: 1, prefetch: 0 }, (n: number) => void seen.push(n));
      await job.publishMany(range(30).map((n) => ({ args: [n] as [number], priority: n % 2 === 0 ? 500 : 0 })));
      await consume(job);
      await until("thirty are handled", () => seen.length === 30);
      assert.deepEqual(seen, [...range(30).filter((n) => n % 2 === 0), ...range(30).filter((n) => n % 2 === 1)]);
    },
  },

  "a message with the lowest priority is handled too": {
    feature: "priority",
    uses: ["delay"],
    async run({ task, consume, until }) {
      const seen = track<number>();
      const job = task({}, (n: number) => seen.run(n));
      await consume(job);
      await job.publishMany([
        { args: [1], priority: -1000 },
        { args: [2], priority: 1000 },
        { args: [3] },
        { args: [4], priority: -1, delay: 50 },
      ]);
      await until("four are handled", () => seen.ended.length === 4);
    },
  },

  "count tells what waits and what is delayed": {
    needs: ["exactCount"],
    uses: ["delay"],
    async run({ task, consume, until }) {
      const door = gate();
      const seen = track<number>();
      const job = task({ concurrency: 2, prefetch: 0 }, (n: number) => seen.run(n, () => door.opened));
      assert.equal(await job.count(), 0);
      await job.pushMany(each(7));
      await job.publishMany(range(3).map((n) => ({ args: [n] as [number], delay: "1h" })));
      await job.publish([1], { priority: 5 });
      const { ready, delayed } = await job.counts();
      assert.deepEqual([ready, delayed, await job.count()], [8, 3, 11]);
      await consume(job);
      await until("two run and six wait", async () => seen.running === 2 && (await job.counts()).ready === 6);
      door.open();
      await until(
        "only the delayed are left",
        async () => (await job.counts()).ready === 0 && (await job.count()) === 3,
      );
      await job.clear();
    },
  },

  async "clear removes what waits"({ task, consume, until, holds }) {
    const door = gate();
    const seen = track<number>();
    const job = task({ concurrency: 1, prefetch: 0 }, (n: number) => seen.run(n, () => door.opened));
    await job.pushMany(each(10));
    await job.publish([50], { priority: 100 });
    await consume(job);
    await until("one runs", () => seen.running === 1);
    await job.clear();
    assert.equal((await job.counts()).ready, 0);
    door.open();
    await until("what ran has ended", () => seen.ended.length === 1);
    await holds("nothing else runs", () => seen.started.length === 1, 100);
    await job.push(77);
    await until("the queue goes on", () => seen.ended.includes(77));
    assert.equal(seen.started.length, 2);
  },

  "clear removes what is delayed": {
    feature: "delay",
    async run({ task, consume, until, holds }) {
      const seen = track<number>();
      const job = task({}, (n: number) => seen.run(n));
      await job.publishMany(range(5).map((n) => ({ args: [n] as [number], delay: 2_000 })));
      await until("five are delayed", async () => (await job.counts()).delayed === 5);
      await job.clear();
      await until("none is left", async () => (await job.count()) === 0);
      await consume(job);
      await holds("none of them runs", () => seen.started.length === 0, 2_200);
    },
  },

  "waitIdle resolves when nothing waits or runs": {
    needs: ["exactCount"],
    async run({ task, consume, until, patienceMs }) {
      const door = gate();
      const seen = track<number>();
      const job = task({ concurrency: 3 }, (n: number) => seen.run(n, () => (n === 5 ? door.opened : undefined)));
      await job.pushMany(each(20));
      await consume(job);
      await until("only the slow one runs", () => seen.ended.length === 19);
      assert.equal((await rejection(job.waitIdle({ timeout: 300 }))).name, "WaitTimeoutError");
      const idle = job.waitIdle({ timeout: patienceMs });
      door.open();
      await within("waitIdle resolves", idle, patienceMs);
      assert.deepEqual([seen.ended.length, await job.count()], [20, 0]);
    },
  },

  "waitIdle waits for delayed messages and retries": {
    needs: ["exactCount"],
    feature: "delay",
    async run({ task, consume, patienceMs }) {
      let runs = 0;
      const job = task({ backoff: { type: "fixed", base: 200, jitter: false }, maxRetries: 1 }, () => {
        if (++runs === 1) throw new Error("not yet");
      });
      await consume(job);
      await job.publish([], { delay: 200 });
      await job.waitIdle({ timeout: patienceMs });
      assert.equal(runs, 2);
    },
  },
});
