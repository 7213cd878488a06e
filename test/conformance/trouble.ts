/** Trouble: what goes wrong beside the task itself must neither hold a slot nor lose a message. */
import assert from "node:assert/strict";
import { fct, type Handle, RetryError, type Task } from "../../src/index.ts";
import { cases } from "./case.ts";
import { range, sorted, track } from "./track.ts";
import { gate, within } from "./until.ts";

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export const trouble = cases({
  async "a logger that throws holds no slot and stops nothing"({ task, consume, until }) {
    const fails = () => {
      throw new Error("the logger is broken");
    };
    const logger = { debug: fails, info: fails, warn: fails, error: fails };
    const seen = track<number>();
    const job = task({ concurrency: 1, maxRetries: 1, backoff: 0, log: { logger } }, (n: number) =>
      seen.run(n, () => {
        if (n < 3) throw new Error("no");
      }),
    );
    await consume(job);
    await job.pushMany(range(4).map((n) => [n]));
    await until("all have run, the three twice", () => seen.ended.length === 7);
  },

  async "a retry that was due in the past is due now"({ task, consume, until }) {
    let runs = 0;
    const job = task({ concurrency: 1 }, (after: number) => {
      if (++runs % 2 === 1) throw new RetryError({ after: after === 0 ? Number.NaN : after });
    });
    await consume(job);
    await job.push(-5_000);
    await until("the second run came", () => runs === 2);
    await job.push(0);
    await until("and again", () => runs === 4);
  },

  async "a run that ends while it still waits gives its slot back once"({ task, consume, until, holds }) {
    const seen = track<number>();
    const never_ = task({ queue: `kit-never-${Math.random().toString(36).slice(2)}`, rpc: true }, () => {});
    const job = task({ concurrency: 1 }, (n: number) =>
      seen.run(n, async () => {
        if (n > 0) return pause(20);
        const handle: Handle<void> = await never_.push();
        await Promise.race([handle.waitResult().catch(() => {}), pause(30)]);
      }),
    );
    await consume(job);
    await job.push(0);
    await until("the first has ended", () => seen.ended.length === 1);
    seen.reset();
    await job.pushMany(range(8).map((n) => [n + 1]));
    await until("all have ended", () => seen.ended.length === 9);
    assert.equal(seen.peak, 1);
    await holds("no more than one runs", () => seen.running <= 1, 50);
    await never_.clear();
  },

  "a run that ends because its process stops has not failed": {
    needs: ["durable"],
    async run({ task, consume, until }) {
      let runs = 0;
      const job = task({ concurrency: 1, maxRetries: 0 }, async () => {
        if (++runs > 1) return;
        await new Promise((_, reject) =>
          fct.signal?.addEventListener("abort", () => reject(new Error("I was told to stop"))),
        );
      });
      const first = await consume(job);
      await job.push();
      await until("it runs", () => runs === 1);
      await first.close({ grace: 50 });
      assert.equal(await job.count(), 1, "the message is gone");
      await consume(job);
      await until("it ran again", () => runs === 2);
    },
  },

  async "a consumer that stops lets its runs wait for their children"({ task, consume, until, patienceMs }) {
    const done: string[] = [];
    const closes = gate();
    let started = 0;
    const job: Task<(name: string) => Promise<string>> = task(
      { rpc: true, concurrency: 1 },
      async (name: string): Promise<string> => {
        started++;
        if (name === "parent") {
          await closes.opened;
          const child = await job.push("child");
          await child.waitResult({ timeout: patienceMs });
        }
        done.push(name);
        return name;
      },
    );
    const consumer = await consume(job);
    await job.push("parent");
    await until("the parent runs", () => started === 1);
    await job.push("other"); // not before: not every engine keeps an order
    const closed = consumer.close({ grace: patienceMs });
    closes.open();
    await within("close resolves", closed, patienceMs);
    assert.deepEqual(done, ["child", "parent"]);
    assert.equal(await job.count(), 1);
  },

  async "a child with a priority is not held back by maxSuspended"({ task, consume, patienceMs }) {
    const job: Task<(depth: number) => Promise<number>> = task(
      { rpc: true, concurrency: 1, maxSuspended: 1 },
      async (depth: number): Promise<number> => {
        if (depth === 0) return 0;
        const child = await job.publish([depth - 1], { priority: 5 });
        return 1 + (await child.waitResult({ timeout: patienceMs }));
      },
    );
    await consume(job);
    assert.equal(await (await job.push(2)).waitResult({ timeout: patienceMs }), 2);
  },

  "an id that was cancelled can be published again, with a result of its own": {
    needs: ["ids"],
    async run({ task, consume, patienceMs }) {
      const job = task({ rpc: true }, (n: number) => n * 10);
      const first = await job.publish([1], { taskId: "again" });
      if (!(await first.cancel().catch(() => false))) return job.clear();
      await assert.rejects(first.waitResult({ timeout: patienceMs }), { status: "cancelled" });
      const second = await job.publish([2], { taskId: "again" });
      assert.equal(second.existing, false);
      await consume(job);
      assert.equal(await second.waitResult({ timeout: patienceMs }), 20);
    },
  },

  async "an id whose result is kept is known: the first result stands"({ task, consume, patienceMs }) {
    const job = task({ rpc: true }, (n: number) => n * 10);
    await consume(job);
    assert.equal(await (await job.publish([1], { taskId: "once" })).waitResult({ timeout: patienceMs }), 10);
    const second = await job.publish([2], { taskId: "once" });
    assert.equal(second.existing, true);
    assert.equal(await second.waitResult({ timeout: patienceMs }), 10);
  },

  async "whoever waits for one message's result hears that it was cancelled"({ task, patienceMs }) {
    const job = task({}, () => {});
    const handle = await job.publish([], { rpc: true });
    if (!(await handle.cancel().catch(() => false))) return job.clear();
    await assert.rejects(handle.waitResult({ timeout: patienceMs }), { status: "cancelled", code: "CANCELLED" });
  },

  async "a message without a result refuses the wait, also where its task has results"({ task }) {
    const job = task({ rpc: true }, () => {});
    const handle = await job.publish([], { rpc: false });
    await assert.rejects(handle.waitResult({ timeout: 50 }), { code: "NO_RESULT" });
    await job.clear();
  },

  "a delay is no waiting: expireAfter counts from when a message was due": {
    feature: "delay",
    async run({ task, consume, patienceMs, engineLateMs }) {
      const expireAfter = 300 + engineLateMs;
      const job = task({ rpc: true, expireAfter }, (n: number) => n);
      await consume(job);
      const handle = await job.publish([7], { delay: expireAfter + 300 });
      assert.equal(await handle.waitResult({ timeout: patienceMs }), 7);
    },
  },

  async "a retry is not too old: it did start in time"({ task, consume, patienceMs }) {
    let runs = 0;
    const job = task({ rpc: true, expireAfter: 1_000, backoff: 1_200 }, () => {
      if (++runs === 1) throw new Error("once");
      return runs;
    });
    await consume(job);
    assert.equal(await (await job.push()).waitResult({ timeout: patienceMs }), 2);
  },

  async "what a run leaves behind is no task any more"({ task, consume, until }) {
    const after: (string | undefined)[] = [];
    const job = task({}, (n: number) => {
      if (n === 0) setTimeout(() => after.push(fct.taskId), 20);
    });
    await consume(job);
    await job.push(0);
    await until("the timer fired", () => after.length === 1);
    assert.deepEqual(after, [undefined]);
  },

  async "consuming that is stopped while it connects does not begin"({ task, until, holds }) {
    const seen = track<number>();
    const job = task({}, (n: number) => seen.run(n));
    await job.push(1);
    const consuming = job.consume();
    const [first] = await Promise.allSettled([consuming.then((consumer) => consumer.close())]);
    assert.equal(first?.status, "fulfilled");
    const before = seen.started.length;
    await job.push(2);
    await holds("nothing more runs", () => seen.started.length === before, 100);
    await until("what waits can be counted", async () => (await job.count()) >= 1);
    await job.clear();
  },

  "a message that crashed is not dead because its task fails": {
    needs: ["redelivers", "durable"],
    processes: true,
    timeoutMs: 60_000,
    async run(context) {
      const params = { params: ["value", "ms?"], rpc: true, maxRetries: 8, backoff: 0 };
      const publisher = context.task(params, (_value: unknown, _ms?: number) => {});
      const handle = await publisher.push("lives", 60_000);
      for (const _ of range(2)) {
        const child = await context.child({ params: { concurrency: 1 } });
        await context.until("it runs", () => child.seen("start").length === 1);
        await child.kill();
      }
      const attempts: number[] = [];
      const job = context.task(params, (_value: unknown, _ms?: number) => {
        attempts.push(fct.attempt ?? 0);
        if (attempts.length < 8) throw new Error("an ordinary failure");
        return "ended";
      });
      await context.consume(job);
      assert.equal(await handle.waitResult({ timeout: context.patienceMs }), "ended");
      assert.deepEqual(
        sorted(attempts),
        range(8).map((n) => n + 1),
      );
    },
  },
});
