/** Results and errors: what a waiter gets, wherever the task ran. */
import assert from "node:assert/strict";
import { asCompleted, fct, ResultError, type TaskError, waitAll, type WaitTimeoutError } from "../../src/index.ts";
import { cases } from "./case.ts";
import type { Context } from "./context.ts";
import { each, range, sorted } from "./track.ts";
import { gate, rejection } from "./until.ts";

class PaymentDeclined extends Error {
  override readonly name = "PaymentDeclined";
}

/** What waiters get from a task that throws `thrown`. */
async function causeOf({ task, consume, patienceMs }: Context, thrown: () => unknown, errors: (typeof PaymentDeclined)[] = []): Promise<Error & Record<string, unknown>> {
  const job = task({ rpc: true, maxRetries: 0, errors }, () => {
    throw thrown();
  });
  await consume(job);
  const error = (await rejection((await job.push()).waitResult({ timeout: patienceMs }))) as unknown as TaskError;
  assert.equal(error.name, "TaskError");
  return error.cause as Error & Record<string, unknown>;
}

/** All own members, hidden ones too, as text. */
function everything(value: unknown, depth = 0): string {
  if (typeof value !== "object" || value === null || depth > 6) return String(value);
  return Object.getOwnPropertyNames(value).map((key) => `${key}=${everything((value as Record<string, unknown>)[key], depth + 1)}`).join("\n");
}

export const results = cases({
  async "waitResult gives the value as it was returned"({ task, consume, patienceMs }) {
    const values: unknown[] = [null, 0, "", false, [], {}, "ü 🎬", 1.5, [1, [2, { three: null }]]];
    const job = task({ rpc: true }, (n: number) => values[n]);
    await consume(job);
    const handles = await job.pushMany(each(values.length));
    assert.deepEqual(await Promise.all(handles.map((handle) => handle.waitResult({ timeout: patienceMs }))), values);
  },

  async "a task that returns nothing gives undefined"({ task, consume, patienceMs }) {
    const job = task({ rpc: true }, async () => {});
    await consume(job);
    assert.equal(await (await job.push()).waitResult({ timeout: patienceMs }), undefined);
  },

  async "a result of 100 kB arrives whole"({ task, consume, patienceMs }) {
    const job = task({ rpc: true }, (n: number) => "é🎬x".repeat(n));
    await consume(job);
    assert.equal(await (await job.push(17_000)).waitResult({ timeout: patienceMs }), "é🎬x".repeat(17_000));
  },

  async "a result waits for a late reader, for many, and for a handle made from the id"({ task, consume, patienceMs, until }) {
    const job = task({ rpc: true }, (n: number) => n * 2);
    await consume(job);
    const handle = await job.push(21);
    await until("the record is there", async () => (await handle.record()) !== undefined);
    const other = job.handle(handle.id);
    const all = await Promise.all([...range(20).map(() => handle.waitResult({ timeout: patienceMs })), other.waitResult({ timeout: patienceMs })]);
    assert.deepEqual(all, Array(21).fill(42));
  },

  async "an error keeps its name, message, code, stack and cause"(context) {
    const cause = await causeOf(context, () => {
      const inner = Object.assign(new SyntaxError("inner"), { code: "E_INNER" });
      return Object.assign(new PaymentDeclined("declined: ü", { cause: inner }), { code: "E_CARD" });
    });
    assert.deepEqual([cause.name, cause.message, cause.code], ["PaymentDeclined", "declined: ü", "E_CARD"]);
    assert.ok(cause instanceof Error && !(cause instanceof PaymentDeclined));
    assert.match(cause.stack ?? "", /results/);
    const inner = cause.cause as Error & { code?: string };
    assert.deepEqual([inner.name, inner.message, inner.code], ["SyntaxError", "inner", "E_INNER"]);
  },

  async "a listed class comes back"(context) {
    const cause = await causeOf(context, () => new PaymentDeclined("no"), [PaymentDeclined]);
    assert.ok(cause instanceof PaymentDeclined);
    assert.equal(cause.message, "no");
  },

  async "a thrown string is an Error with that message"(context) {
    const cause = await causeOf(context, () => "just text");
    assert.ok(cause instanceof Error);
    assert.equal(cause.message, "just text");
  },

  async "throw undefined is an Error too"(context) {
    const cause = await causeOf(context, () => undefined);
    assert.ok(cause instanceof Error);
    assert.match(cause.message, /undefined/);
  },

  async "a secret that an error holds does not travel"({ task, consume, patienceMs, until }) {
    const secret = "Bearer s3cr3t-t0ken";
    const job = task({ rpc: true, maxRetries: 0, deadLetter: true }, () => {
      const inner = Object.assign(new Error("inner"), { request: { headers: { Authorization: secret } } });
      throw Object.assign(new Error("401", { cause: inner }), { config: { headers: { Authorization: secret } }, response: { token: secret } });
    });
    await consume(job);
    const handle = await job.push();
    const error = await rejection(handle.waitResult({ timeout: patienceMs }));
    assert.match(everything(error), /401/);
    assert.doesNotMatch(everything(error), /s3cr3t/);
    await until("the dead letter is there", async () => (await job.deadLetters.count()) === 1);
    assert.doesNotMatch(everything(await job.deadLetters.list(5)), /s3cr3t/);
    assert.doesNotMatch(everything(await handle.record()), /s3cr3t/);
  },

  async "a result that is no JSON does not run the task again"({ task, consume, patienceMs }) {
    let runs = 0;
    const job = task({ rpc: true, backoff: 0 }, () => {
      runs++;
      return { list: [1, new Map()] };
    });
    await consume(job);
    const handle = await job.push();
    const error = await rejection(handle.waitResult({ timeout: patienceMs }));
    assert.equal(error.name, ResultError.name);
    assert.match(String(error.path), /list.*1/);
    assert.deepEqual([runs, (await handle.record())?.status], [1, "done"]);
  },

  async "a result that refers to itself does not run the task again"({ task, consume, patienceMs, until }) {
    let runs = 0;
    const job = task({ rpc: true, backoff: 0 }, () => {
      runs++;
      const circle: Record<string, unknown> = {};
      circle.self = circle;
      return circle;
    });
    await consume(job);
    assert.equal((await rejection((await job.push()).waitResult({ timeout: patienceMs }))).code, "RESULT");
    await until("the queue is empty", async () => (await job.count()) === 0);
    assert.equal(runs, 1);
  },

  async "waitResult without rpc rejects at once and says what to set"({ task }) {
    const job = task({}, () => 1);
    const error = await rejection((await job.push()).waitResult());
    assert.equal(error.code, "NO_RESULT");
    assert.match(error.message, /rpc: true/);
  },

  async "rpc of one message is enough for its waiter"({ task, consume, patienceMs }) {
    const job = task({}, () => 5);
    await consume(job);
    assert.equal(await (await job.publish([], { rpc: true })).waitResult({ timeout: patienceMs }), 5);
  },

  async "a wait that times out ends, the task goes on"({ task, consume, patienceMs }) {
    const door = gate();
    const job = task({ rpc: true }, async () => {
      await door.opened;
      return "late";
    });
    await consume(job);
    const handle = await job.push();
    const error = (await rejection(handle.waitResult({ timeout: 60 }))) as unknown as WaitTimeoutError;
    assert.deepEqual([error.name, error.code], ["WaitTimeoutError", "WAIT_TIMEOUT"]);
    door.open();
    assert.equal(await handle.waitResult({ timeout: patienceMs }), "late");
  },

  async "aborting ends the wait, never the task"({ task, consume, patienceMs }) {
    const door = gate();
    const job = task({ rpc: true }, async () => {
      await door.opened;
      return fct.signal?.aborted;
    });
    await consume(job);
    const handle = await job.push();
    const stop = new AbortController();
    const waiting = rejection(handle.waitResult({ signal: stop.signal }));
    stop.abort(new Error("enough"));
    assert.equal((await waiting).message, "enough");
    door.open();
    assert.equal(await handle.waitResult({ timeout: patienceMs }), false);
  },

  async "waitAll gives all results in order"({ task, consume, patienceMs }) {
    const job = task({ rpc: true, concurrency: 5 }, (n: number) => n * n);
    await consume(job);
    assert.deepEqual(await waitAll(await job.pushMany(each(30)), { timeout: patienceMs }), range(30).map((n) => n * n));
  },

  "waitAll rejects at the first failure and can cancel the others": {
    needs: ["ids"],
    async run({ task, consume, patienceMs, until }) {
      const seen: number[] = [];
      const job = task({ rpc: true, maxRetries: 0, concurrency: 1 }, (n: number) => {
        seen.push(n);
        if (n === 0) throw new Error("first");
      });
      const handles = [await job.push(0), ...(await job.publishMany(range(5).map((n) => ({ args: [n + 1] as [number], delay: "1h" }))))];
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
    async run({ task, consume, until, queue }) {
      const door = gate();
      const job = task({ rpc: true, concurrency: 1 }, async () => {
        await door.opened;
        return "end";
      });
      const [handle, later] = [await job.push(), await job.publish([], { delay: "1h" })];
      assert.deepEqual([await handle.state(), await later.state(), await handle.record()], ["waiting", "delayed", undefined]);
      await consume(job);
      await until("it runs", async () => (await handle.state()) === "running");
      door.open();
      await until("it is done", async () => (await handle.state()) === "done");
      const record = await handle.record();
      assert.deepEqual([record?.id, record?.queue, record?.status, record?.result, record?.attempts, record?.pid], [handle.id, queue, "done", "end", 1, process.pid]);
      assert.ok((record?.endedAt ?? 0) >= (record?.startedAt ?? Number.POSITIVE_INFINITY));
      assert.equal(await job.handle("never-published").state(), "unknown");
    },
  },

  "a cancelled message does not run, and its waiter hears of it": {
    needs: ["ids"],
    async run({ task, consume, until, patienceMs }) {
      const seen: number[] = [];
      const job = task({ rpc: true, concurrency: 1 }, (n: number) => void seen.push(n));
      const [first, waiting] = await job.pushMany([[1], [2]]);
      const later = await job.publish([3], { delay: "1h" });
      const heard = [waiting, later].map((handle) => rejection(handle?.waitResult({ timeout: patienceMs }) ?? Promise.resolve()));
      assert.deepEqual([await waiting?.cancel(), await later.cancel()], [true, true]);
      assert.deepEqual((await Promise.all(heard)).map(({ code, status }) => [code, status]), Array(2).fill(["CANCELLED", "cancelled"]));
      await consume(job);
      await first?.waitResult({ timeout: patienceMs });
      await until("the queue is empty", async () => (await job.count()) === 0);
      assert.deepEqual(seen, [1]);
    },
  },

  "what runs or has run cannot be cancelled": {
    needs: ["ids"],
    async run({ task, consume, until, patienceMs }) {
      const door = gate();
      const job = task({ rpc: true }, async () => {
        await door.opened;
        return 1;
      });
      await consume(job);
      const handle = await job.push();
      await until("it runs", async () => (await handle.state()) === "running");
      assert.equal(await handle.cancel(), false);
      door.open();
      assert.equal(await handle.waitResult({ timeout: patienceMs }), 1);
      assert.equal(await handle.cancel(), false);
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
