/** Settlement: how runs end, and what happens to their messages. */
import assert from "node:assert/strict";
import { fct, RequeueError, RetryError, type TaskError } from "../../src/index.ts";
import { cases } from "./case.ts";
import { rejection } from "./until.ts";

export const settlement = cases({
  "attempts count 1, 2, 3": {
    feature: "retry",
    async run({ task, consume, patienceMs }) {
      const attempts: (number | undefined)[] = [];
      const job = task({ rpc: true, backoff: 0, maxRetries: 5 }, (text: string) => {
        attempts.push(fct.attempt);
        if (attempts.length < 3) throw new Error("not yet");
        return text.toUpperCase();
      });
      await consume(job);
      const handle = await job.push("ok");
      assert.equal(await handle.waitResult({ timeout: patienceMs }), "OK");
      assert.deepEqual(attempts, [1, 2, 3]);
      assert.equal((await handle.record())?.attempts, 3);
    },
  },

  "a run of a retry sees the same args and the same id": {
    feature: "retry",
    async run({ task, consume, patienceMs }) {
      const seen: unknown[] = [];
      const job = task({ rpc: true, backoff: 0 }, (list: number[]) => {
        seen.push([...list, fct.taskId]);
        list.push(99);
        if (seen.length < 3) throw new Error("not yet");
      });
      await consume(job);
      const handle = await job.push([1, 2]);
      await handle.waitResult({ timeout: patienceMs });
      assert.deepEqual(seen, Array(3).fill([1, 2, handle.id]));
    },
  },

  async "maxRetries 0 runs once"({ task, consume, patienceMs }) {
    let runs = 0;
    const job = task({ rpc: true, backoff: 0, maxRetries: 0 }, () => {
      runs++;
      throw new Error("no");
    });
    await consume(job);
    const error = (await rejection((await job.push()).waitResult({ timeout: patienceMs }))) as unknown as TaskError;
    assert.deepEqual([runs, error.status, error.attempts], [1, "failed", 1]);
  },

  "maxRetries 2 runs three times, then the task has failed": {
    feature: "retry",
    async run({ task, consume, patienceMs, queue }) {
      let runs = 0;
      const job = task({ rpc: true, backoff: 0, maxRetries: 2 }, () => {
        throw new Error(`no ${++runs}`);
      });
      await consume(job);
      const handle = await job.push();
      const error = (await rejection(handle.waitResult({ timeout: patienceMs }))) as unknown as TaskError;
      assert.deepEqual(
        [runs, error.name, error.status, error.attempts, error.taskId, error.queue],
        [3, "TaskError", "failed", 3, handle.id, queue],
      );
      assert.equal((error.cause as Error).message, "no 3");
      const record = await handle.waitRecord({ timeout: patienceMs });
      assert.deepEqual([record.status, record.attempts, record.error?.message], ["failed", 3, "no 3"]);
    },
  },

  "maxRetries of one message beats the task's": {
    feature: "retry",
    async run({ task, consume, patienceMs }) {
      let runs = 0;
      const job = task({ rpc: true, backoff: 0, maxRetries: 5 }, () => {
        runs++;
        throw new Error("no");
      });
      await consume(job);
      await rejection((await job.publish([], { maxRetries: 1 })).waitResult({ timeout: patienceMs }));
      assert.equal(runs, 2);
    },
  },

  "a retry waits for its backoff": {
    feature: "retry",
    async run({ task, consume, patienceMs, earlyMs, lateMs }) {
      const at: number[] = [];
      const job = task({ rpc: true, maxRetries: 2, backoff: { type: "fixed", base: 300, jitter: false } }, () => {
        at.push(performance.now());
        if (at.length < 3) throw new Error("not yet");
      });
      await consume(job);
      await (await job.push()).waitResult({ timeout: patienceMs });
      const gaps = [(at[1] ?? 0) - (at[0] ?? 0), (at[2] ?? 0) - (at[1] ?? 0)];
      assert.ok(
        gaps.every((gap) => gap >= 300 - earlyMs && gap < 300 + lateMs),
        `gaps ${gaps}`,
      );
    },
  },

  "a backoff that is a function says how long, and false ends the retries": {
    feature: "retry",
    async run({ task, consume, patienceMs, earlyMs, lateMs }) {
      const at: number[] = [];
      const backoff = ({ attempt, error }: { attempt: number; error: Error }) =>
        error.message === "last" ? false : attempt * 200;
      const job = task({ rpc: true, maxRetries: 9, backoff }, () => {
        at.push(performance.now());
        throw new Error(at.length === 3 ? "last" : "again");
      });
      await consume(job);
      const { status } = await (await job.push()).waitRecord({ timeout: patienceMs });
      assert.equal(status, "failed");
      const gaps = at.slice(1).map((each, i) => each - (at[i] ?? 0));
      assert.equal(gaps.length, 2);
      assert.ok(
        gaps.every((gap, i) => gap >= 200 * (i + 1) - earlyMs && gap < 200 * (i + 1) + lateMs),
        `gaps ${gaps}`,
      );
    },
  },

  "a run that timed out is retried after its backoff": {
    feature: "retry",
    async run({ task, consume, patienceMs, earlyMs }) {
      const at: number[] = [];
      const job = task(
        { rpc: true, timeout: 100, maxRetries: 1, backoff: { type: "fixed", base: 300, jitter: false } },
        async () => {
          at.push(performance.now());
          if (at.length === 1) await new Promise((resolve) => fct.signal?.addEventListener("abort", resolve));
          return at.length;
        },
      );
      await consume(job);
      assert.equal(await (await job.push()).waitResult({ timeout: patienceMs }), 2);
      assert.ok((at[1] ?? 0) - (at[0] ?? 0) >= 400 - 2 * earlyMs);
    },
  },

  "RetryError runs again after its own time": {
    feature: "retry",
    async run({ task, consume, patienceMs, earlyMs }) {
      const at: number[] = [];
      const job = task({ rpc: true, backoff: 3_600_000 }, () => {
        at.push(performance.now());
        if (at.length === 1) throw new RetryError({ after: 250 });
        return fct.attempt;
      });
      await consume(job);
      assert.equal(await (await job.push()).waitResult({ timeout: patienceMs }), 2);
      assert.ok((at[1] ?? 0) - (at[0] ?? 0) >= 250 - earlyMs);
    },
  },

  async "RequeueError is not counted as an attempt"({ task, consume, patienceMs }) {
    const attempts: (number | undefined)[] = [];
    const job = task({ rpc: true, maxRetries: 0 }, () => {
      attempts.push(fct.attempt);
      if (attempts.length < 4) throw new RequeueError({ after: 0 });
      return "through";
    });
    await consume(job);
    const handle = await job.push();
    assert.equal(await handle.waitResult({ timeout: patienceMs }), "through");
    assert.deepEqual(attempts, [1, 1, 1, 1]);
  },

  async "RequeueError waits for its own time"({ task, consume, patienceMs, earlyMs }) {
    const at: number[] = [];
    const job = task({ rpc: true, maxRetries: 0 }, () => {
      at.push(performance.now());
      if (at.length === 1) throw new RequeueError({ after: "250ms" });
    });
    await consume(job);
    await (await job.push()).waitResult({ timeout: patienceMs });
    assert.ok((at[1] ?? 0) - (at[0] ?? 0) >= 250 - earlyMs);
  },

  "a postponed message runs behind what waits": {
    needs: ["ordered"],
    async run({ task, consume, until }) {
      const seen: string[] = [];
      const job = task({ concurrency: 1 }, (name: string) => {
        seen.push(name);
        if (name === "a" && seen.length === 1) throw new RequeueError({ after: 0 });
      });
      await job.pushMany([["a"], ["b"], ["c"], ["d"]]);
      await consume(job);
      await until("five runs", () => seen.length >= 5);
      assert.deepEqual(seen, ["a", "b", "c", "d", "a"]);
    },
  },

  "a retry limit raised while messages wait holds for them": {
    feature: "retry",
    async run({ task, consume, until, holds }) {
      let runs = 0;
      const fail = () => {
        runs++;
        throw new Error("no");
      };
      const before = task({ maxRetries: 0, backoff: 0 }, fail);
      await before.push();
      const after = task({ maxRetries: 3, backoff: 0 }, fail);
      await consume(after);
      await until("four runs", () => runs >= 4);
      await holds("no fifth", () => runs === 4, 100);
    },
  },

  "a retry limit raised while a retry waits holds for it": {
    feature: "retry",
    async run({ task, consume, until, holds }) {
      let runs = 0;
      const fail = () => {
        runs++;
        throw new Error("no");
      };
      const before = task({ maxRetries: 1, backoff: { type: "fixed", base: 400, jitter: false } }, fail);
      const consumer = await consume(before);
      await before.push();
      await until("the first run", () => runs === 1);
      await consumer.close();
      await consume(task({ maxRetries: 3, backoff: 0 }, fail));
      await until("four runs", () => runs >= 4);
      await holds("no fifth", () => runs === 4, 100);
    },
  },
});
