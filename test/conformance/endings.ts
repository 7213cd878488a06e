/** Endings: each way in which a task can be over, and how its waiters hear of it. */
import assert from "node:assert/strict";
import { asCompleted, fct, type TaskError, waitAll } from "../../src/index.ts";
import { cases } from "./case.ts";
import { each, range, sorted } from "./track.ts";
import { gate, rejection } from "./until.ts";

export const endings = cases({
  async "waitAll gives all results in order"({ task, consume, patienceMs }) {
    const job = task({ rpc: true, concurrency: 5 }, (n: number) => n * n);
    await consume(job);
    assert.deepEqual(
      await waitAll(await job.pushMany(each(30)), { timeout: patienceMs }),
      range(30).map((n) => n * n),
    );
  },

  "waitAll rejects at the first failure and can cancel the others": {
    needs: ["ids"],
    uses: ["delay"],
    async run({ task, consume, patienceMs, until }) {
      const seen: number[] = [];
      const job = task({ rpc: true, maxRetries: 0, concurrency: 1 }, (n: number) => {
        seen.push(n);
        if (n === 0) throw new Error("first");
      });
      const handles = [
        await job.push(0),
        ...(await job.publishMany(range(5).map((n) => ({ args: [n + 1] as [number], delay: "1h" })))),
      ];
      const waiting = rejection(waitAll(handles, { timeout: patienceMs, onFailure: "cancel" }));
      await consume(job);
      assert.match((await waiting).message, /first/);
      await until("the others are gone", async () => (await job.count()) === 0);
      assert.deepEqual(seen, [0]);
    },
  },

  async "asCompleted yields each as it ends"({ task, consume, patienceMs }) {
    const doors = range(4).map(gate);
    const job = task({ rpc: true, maxRetries: 0 }, async (n: number) => {
      await doors[n]?.opened;
      if (n === 2) throw new Error("two");
      return n;
    });
    await consume(job);
    const order = [3, 2, 0, 1];
    const seen: unknown[] = [];
    doors[3]?.open();
    for await (const done of asCompleted(await job.pushMany(each(4)), { timeout: patienceMs })) {
      seen.push("error" in done ? (done.error.cause as Error).message : done.value);
      doors[order[seen.length] ?? 0]?.open();
    }
    assert.deepEqual(seen, [3, "two", 0, 1]);
  },

  "state() and record() follow a task to its end": {
    needs: ["ids"],
    uses: ["delay"],
    async run({ task, consume, until, queue }) {
      const door = gate();
      const job = task({ rpc: true, concurrency: 1 }, async () => {
        await door.opened;
        return "end";
      });
      const [handle, later] = [await job.push(), await job.publish([], { delay: "1h" })];
      assert.deepEqual(
        [await handle.state(), await later.state(), await handle.record()],
        ["waiting", "delayed", undefined],
      );
      await consume(job);
      await until("it runs", async () => (await handle.state()) === "running");
      door.open();
      await until("it is done", async () => (await handle.state()) === "done");
      const record = await handle.record();
      assert.deepEqual(
        [record?.id, record?.queue, record?.status, record?.result, record?.attempts, record?.pid],
        [handle.id, queue, "done", "end", 1, process.pid],
      );
      assert.ok((record?.endedAt ?? 0) >= (record?.startedAt ?? Number.POSITIVE_INFINITY));
      assert.equal(await job.handle("never-published").state(), "unknown");
    },
  },

  "a cancelled message does not run, and its waiter hears of it": {
    needs: ["ids"],
    uses: ["delay"],
    async run({ task, consume, until, patienceMs }) {
      const seen: number[] = [];
      const job = task({ rpc: true, concurrency: 1 }, (n: number) => void seen.push(n));
      const [first, waiting] = await job.pushMany([[1], [2]]);
      const later = await job.publish([3], { delay: "1h" });
      const heard = [waiting, later].map((handle) =>
        rejection(handle?.waitResult({ timeout: patienceMs }) ?? Promise.resolve()),
      );
      assert.deepEqual([await waiting?.cancel(), await later.cancel()], [true, true]);
      assert.deepEqual([await waiting?.cancel(), await later.cancel()], [false, false], "cancelled twice");
      assert.deepEqual(
        (await Promise.all(heard)).map(({ code, status }) => [code, status]),
        Array(2).fill(["CANCELLED", "cancelled"]),
      );
      await consume(job);
      await first?.waitResult({ timeout: patienceMs });
      await until("the queue is empty", async () => (await job.count()) === 0);
      assert.deepEqual(seen, [1]);
    },
  },

  "what has run cannot be cancelled": {
    needs: ["ids"],
    async run({ task, consume, patienceMs }) {
      const job = task({ rpc: true }, () => 1);
      await consume(job);
      const handle = await job.push();
      assert.equal(await handle.waitResult({ timeout: patienceMs }), 1);
      assert.equal(await handle.cancel(), false);
      assert.equal(await handle.waitResult({ timeout: patienceMs }), 1);
    },
  },

  async "a run that takes too long fails with TimeoutError and its signal aborts"({ task, consume, patienceMs }) {
    let aborted: unknown;
    const job = task({ rpc: true, timeout: 80, maxRetries: 0 }, async () => {
      await new Promise((resolve) => fct.signal?.addEventListener("abort", resolve));
      aborted = fct.signal?.reason;
    });
    await consume(job);
    const error = (await rejection((await job.push()).waitResult({ timeout: patienceMs }))) as unknown as TaskError;
    assert.equal((error.cause as Error).name, "TimeoutError");
    assert.equal((aborted as Error)?.name, "TimeoutError");
  },

  async "an expired message is dropped and its waiter hears of it"({ task, consume, patienceMs, holds }) {
    const seen: number[] = [];
    const job = task({ rpc: true, expireAfter: 60 }, (n: number) => void seen.push(n));
    const handle = await job.push(1);
    const own = await job.publish([2], { expireAfter: "1h" });
    await holds("time passes", () => true, 120);
    await consume(job);
    const error = await rejection(handle.waitResult({ timeout: patienceMs }));
    assert.deepEqual([error.code, error.status], ["EXPIRED", "expired"]);
    assert.equal((await handle.record())?.status, "expired");
    await own.waitResult({ timeout: patienceMs });
    assert.deepEqual(seen, [2]);
  },

  "a message delayed past its misfireGrace is dropped": {
    feature: "delay",
    async run({ task, consume, patienceMs, holds }) {
      const seen: string[] = [];
      const job = task({ rpc: true }, (name: string) => void seen.push(name));
      const strict = await job.publish(["strict"], { delay: 100, misfireGrace: 100 });
      const patient = await job.publish(["patient"], { delay: 100, misfireGrace: "1h" });
      await holds("both become overdue", () => true, 450);
      await consume(job);
      await patient.waitResult({ timeout: patienceMs });
      assert.equal((await rejection(strict.waitResult({ timeout: patienceMs }))).status, "expired");
      assert.deepEqual(sorted(seen.map((name) => name.length)), ["patient".length]);
    },
  },
});
