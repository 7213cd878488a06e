/** cancel: from any process, of what waits, is held or runs. */
import assert from "node:assert/strict";
import { fct } from "../../src/index.ts";
import { kept } from "./case.ts";
import { each, track } from "./track.ts";
import { gate, rejection } from "./until.ts";

const params = ["value", "ms?"];

/** A task's work until its signal aborts, which it rejects with. */
function untilAborted(): Promise<never> {
  const signal = fct.signal as AbortSignal;
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

export const cancels = kept({
  async "a running task sees its cancel, ends as cancelled and is not retried"({ task, consume, until }) {
    const seen = track<number>();
    const job = task({ rpc: true, backoff: 0 }, (n: number) => seen.run(n, untilAborted));
    await consume(job);
    const handle = await job.push(1);
    await until("it runs", () => seen.running === 1);
    assert.equal(await handle.cancel(), true);
    const error = await rejection(handle.waitResult());
    assert.deepEqual([error.code, error.status, seen.started.length], ["CANCELLED", "cancelled", 1]);
    await until("the queue is empty", async () => (await job.count()) === 0);
    assert.equal(await handle.cancel(), false);
  },

  async "many are cancelled at once, and tell their states"({ task, consume, until }) {
    const job = task({ rpc: true, backoff: 0, concurrency: 1 }, (n: number) => (n < 0 ? n : untilAborted()));
    await consume(job);
    const [ended, running] = [await job.push(-1), await job.push(0)];
    const waiting = await job.publishMany([1, 2, 3].map((n) => ({ args: [n] as [number], delay: "1h" })));
    await ended.waitResult();
    await until("one runs", async () => (await running.state()) !== "waiting");
    const ids = [ended, ...waiting, running].map((handle) => handle.id);
    const [first, ...others] = await job.states(ids);
    assert.equal(first, "done");
    assert.ok(others.every((state) => state !== "done"));
    const cancelled = await job.cancelMany(ids);
    assert.deepEqual(cancelled, [false, true, true, true, true]);
    const errors = await Promise.all([...waiting, running].map((handle) => rejection(handle.waitResult())));
    assert.deepEqual(new Set(errors.map(({ code }) => code)), new Set(["CANCELLED"]));
    assert.deepEqual(new Set((await job.states(ids)).slice(1)), new Set(["cancelled"]));
    assert.deepEqual([await job.states([]), await job.cancelMany([])], [[], []]);
  },

  "a task that ends well although it was cancelled is done": {
    needs: ["ids"], // an engine that cannot tell what runs has it cancelled at once
    async run({ task, consume, until }) {
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

  "what another process holds unstarted never runs once it is cancelled": {
    needs: ["durable"],
    timeoutMs: 60_000,
    processes: true,
    async run(context) {
      const job = context.task({ params, rpc: true }, (_value: unknown, _ms?: number) => {});
      const other = await context.child({ behaviour: "patient", params: { rpc: true, concurrency: 1 } });
      const first = await job.push("first");
      await context.until("it runs there", () => other.seen("start").length === 1);
      const waiting = await job.pushMany(each(8));
      const cancelled = await Promise.all(waiting.map((handle) => handle.cancel()));
      assert.ok(cancelled.every(Boolean));
      assert.equal(await first.cancel(), true);
      for (const handle of [first, ...waiting]) {
        const error = await rejection(handle.waitResult({ timeout: context.patienceMs }));
        assert.deepEqual([error.code, error.status], ["CANCELLED", "cancelled"]);
      }
      await context.until("the queue is empty", async () => (await job.count()) === 0);
      const last = await job.push("last");
      await context.until("the next one runs", () => other.seen("start").length === 2);
      assert.deepEqual(
        other.seen("start").map(({ value }) => value),
        ["first", "last"],
      );
      await last.cancel();
    },
  },

  "a process that only knows the id cancels what is delayed, waits for a retry, or waits": {
    needs: ["durable"],
    uses: ["delay", "retry"],
    processes: true,
    async run({ task, consume, child, until, patienceMs }) {
      const seen = track<string>();
      const backoff = { type: "fixed", base: 900, jitter: false } as const;
      const job = task({ params: ["name", "ms?"], rpc: true, backoff }, (name: string, _ms?: number) =>
        seen.run(name, () => Promise.reject(new Error("the first attempt fails"))),
      );
      const other = await child({ consume: false, params: { rpc: true } });
      const consumer = await consume(job);
      const retrying = await job.push("retrying");
      await until("it has failed once, and waits", () => seen.ended.length === 1);
      const delayed = await job.publish(["delayed"], { delay: 1_200 });
      consumer.pause();
      const waiting = await job.push("waiting");
      for (const { id } of [retrying, delayed, waiting]) assert.equal(await other.call("cancel", id), true);
      consumer.resume();
      for (const handle of [retrying, delayed, waiting]) {
        assert.equal((await rejection(handle.waitResult({ timeout: patienceMs }))).status, "cancelled");
        assert.equal(await handle.state(), "cancelled");
      }
      await until("nothing waits", async () => (await job.count()) === 0);
      assert.deepEqual(seen.started, ["retrying"]);
    },
  },
});
