/** What is known of a task from outside: its row, how far it is, its id. Kept in the store. */
import assert from "node:assert/strict";
import { fct, type TaskRecord, type TaskRow } from "../../src/index.ts";
import { kept } from "./case.ts";
import type { Child } from "./child-process.ts";
import { endsOf, stopInRun } from "./standstill.ts";
import { each, range, track } from "./track.ts";
import { gate, rejection } from "./until.ts";

const params = ["value", "ms?"];
const needs = ["redelivers", "durable"] as const;

export const records = kept({
  async "records tell how each task ended, newest first, by status, time and text"({
    task,
    consume,
    until,
    patienceMs,
  }) {
    const job = task({ record: { running: true }, rpc: true, maxRetries: 1, backoff: 0 }, (name: string) => {
      if (name === "bad") throw new RangeError("no luck");
      return { hello: name };
    });
    await consume(job);
    const first = await job.push("anna");
    await first.waitResult({ timeout: patienceMs });
    await rejection((await job.push("bad")).waitResult({ timeout: patienceMs }));
    await (await job.push("berta")).waitResult({ timeout: patienceMs });
    await until(
      "three rows",
      async () => (await job.records()).filter(({ status }) => status !== "running").length === 3,
    );
    const rows = await job.records();
    assert.deepEqual(
      rows.map(({ args, status, attempts }) => [args, status, attempts]),
      [
        ['["berta"]', "done", 1],
        ['["bad"]', "failed", 2],
        ['["anna"]', "done", 1],
      ],
    );
    assert.deepEqual([rows[2]?.id, rows[2]?.result, rows[1]?.error?.message], [first.id, { hello: "anna" }, "no luck"]);
    assert.ok((rows[0]?.endedAt ?? 0) >= (rows[0]?.startedAt ?? Infinity) && rows[0]?.pid === process.pid);
    assert.equal((await job.records({ status: "failed" })).length, 1);
    assert.equal((await job.records({ text: "anna", since: "1h" })).length, 1);
    assert.equal((await job.records({ since: new Date(Date.now() + 60_000) })).length, 0);
    assert.equal((await job.records({ limit: 2 })).length, 2);
  },

  async "a row is readable as JSON, its error and that error's cause too"({ task, consume, until }) {
    const told: string[] = [];
    const job = task(
      { record: true, maxRetries: 0, onRecord: (row) => void told.push(JSON.stringify(row)) },
      (_name: string) => {
        const cause = Object.assign(new Error("no answer"), { code: "ETIMEDOUT" });
        throw Object.assign(new RangeError("no luck", { cause }), { code: "E_LUCK" });
      },
    );
    await consume(job);
    const handle = await job.push("anna");
    await until("there is a row", async () => (await handle.record()) !== undefined);
    const texts = [told[0] ?? "{}", JSON.stringify((await job.records())[0]), JSON.stringify(await handle.record())];
    for (const text of texts) {
      const { error } = JSON.parse(text);
      assert.deepEqual([error?.name, error?.message, error?.code], ["RangeError", "no luck", "E_LUCK"]);
      assert.deepEqual(
        [error.cause?.name, error.cause?.message, error.cause?.code],
        ["Error", "no answer", "ETIMEDOUT"],
      );
    }
  },

  "rows tell the arguments as they were sent, as values too where record.args asks": {
    engine: false,
    async run({ task, consume, until }) {
      const told: unknown[] = [];
      type Order = { lines: { sku: string }[]; n: number };
      const sent: [Order, string] = [{ lines: [{ sku: "a" }], n: 2 ** 60 }, "x".repeat(2_000)];
      const job = task(
        { record: { args: true, running: true }, onRecord: (row) => void told.push(row.argsValue) },
        (order: Order, _note: string) => {
          order.n = 0;
          order.lines.push({ sku: "b" });
        },
      );
      await consume(job);
      const handle = await job.push(...sent);
      await until("its row is there", async () => (await handle.record()) !== undefined);
      const [row] = await job.records();
      assert.equal(row?.status, "done");
      assert.deepEqual(row.argsValue, sent);
      assert.equal(row.args, `${JSON.stringify(sent).slice(0, 999)}…`);
      assert.deepEqual(told, [sent]);
      assert.equal((await job.records({ text: '"sku":"b"' })).length, 0);
    },
  },

  async "a row is read by its task's id, with what onRecord got, until its ttl is over"({
    task,
    consume,
    until,
    features,
  }) {
    const rows: TaskRecord[] = [];
    const job = task(
      { record: { ttl: 6_000, results: false }, onRecord: (row) => rows.push(row as TaskRecord) },
      (n: number) => n * 2,
    );
    await consume(job);
    const { id } = await job.push(4);
    await until("it has ended", () => rows.length === 1);
    const [row] = await job.records();
    assert.deepEqual(
      [row?.id, row?.status, row?.attempts, row?.pid, row && "result" in row],
      [id, "done", 1, process.pid, false],
    );
    assert.equal((await job.handle(id).record())?.status, "done");
    assert.deepEqual([rows[0]?.id, rows[0]?.status, rows[0]?.result], [id, "done", 8]);
    await until("it is forgotten", async () => (await job.records()).length === 0);
    if (!features.results) await until("its row is", async () => (await job.handle(id).record()) === undefined); // kept a little after its end
  },

  "no record, result or dead letter shows the password of an address in an error": {
    async run({ task, consume, until, patienceMs }) {
      const told: string[] = [];
      const job = task(
        { rpc: true, record: true, maxRetries: 0, deadLetter: true, onRecord: (row) => told.push(JSON.stringify(row)) },
        () => {
          throw new Error("connecting to redis://me:secret/1@cache:6379 failed", {
            cause: new RangeError("postgres://me:secret@db/x"),
          });
        },
      );
      await consume(job);
      const handle = await job.push();
      const error = await rejection(handle.waitResult({ timeout: patienceMs }));
      await until("a dead letter", async () => (await job.deadLetters.count()) === 1);
      const letters = await job.deadLetters.list(1);
      const seen = {
        error,
        stack: error.stack,
        rows: await job.records(),
        record: await handle.record(),
        letters,
        told,
      };
      const text = JSON.stringify(seen);
      assert.doesNotMatch(text, /secret/);
      assert.match(text, /redis:\/\/\*\*\*@cache:6379 failed/);
      assert.match(text, /postgres:\/\/\*\*\*@db\/x/);
    },
  },

  "a row is kept for the ttl of the task that wrote it, whoever asks": {
    engine: false,
    async run({ task, consume, until, patienceMs }) {
      const brief = task({ record: { ttl: 1_500 }, rpc: true }, (n: number) => n);
      const consumer = await consume(brief);
      const first = await brief.push(1);
      await first.waitResult({ timeout: patienceMs });
      await consumer.close();
      const long = task({ record: { ttl: "7d" }, rpc: true }, (n: number) => n);
      await consume(long);
      await (await long.push(2)).waitResult({ timeout: patienceMs });
      const listed = async () => (await long.records()).map(({ args }) => args);
      assert.deepEqual(await listed(), ["[2]", "[1]"]);
      await until("the first is over", async () => (await listed()).length === 1);
      assert.deepEqual(await listed(), ["[2]"]);
      assert.ok(!("ttlMs" in ((await long.records())[0] ?? {})));
    },
  },

  "no row is lost and none is there twice when processes are killed": {
    needs,
    processes: true,
    timeoutMs: 60_000,
    async run(context) {
      const n = context.many(60);
      const options = { behaviour: "brief", params: { record: true, concurrency: 5 } } as const;
      const job = context.task({ params, record: true }, (_value: number, _ms?: number) => {});
      await job.pushMany(each(n));
      const working = await context.child(options);
      await context.until("some have ended", () => working.seen("end").length >= n / 4);
      await working.kill();
      const dying = await context.child({ ...options, dies: "settling" });
      await dying.exited;
      await context.child(options);
      await context.until("the queue is empty", async () => (await job.count()) === 0, context.patienceMs * 2);
      await context.until(
        "each has its row",
        async () => (await job.records({ limit: 1_000 })).length >= n,
        context.patienceMs * 2,
      );
      const rows = await job.records({ limit: 1_000 });
      assert.deepEqual(
        rows.map(({ args }) => args).sort(),
        range(n)
          .map((i) => `[${i}]`)
          .sort(),
      );
      assert.ok(rows.every(({ status }) => status === "done"));
    },
  },

  "a row of a run whose process was killed reads as lost, and as running when it runs again": {
    needs,
    processes: true,
    timeoutMs: 60_000,
    async run(context) {
      const { until, leaseMs, patienceMs } = context;
      const record = { running: true };
      const job = context.task({ params, record }, (_value: number, _ms?: number) => {});
      const handle = await job.push(1, leaseMs);
      const row = async (status: TaskRow["status"], { pid }: Child) =>
        (await job.records({ status })).filter((each) => each.id === handle.id && each.pid === pid).length === 1;
      const first = await context.child({ params: { record } });
      await until("it runs", () => row("running", first));
      await first.kill();
      await until("it is lost", () => row("lost", first), leaseMs + patienceMs);
      assert.deepEqual([await job.records({ status: "running" }), (await job.records()).length], [[], 1]);
      const second = await context.child({ params: { record } });
      await until("it runs again", () => row("running", second), 2 * leaseMs + patienceMs);
      assert.deepEqual(await job.records({ status: "lost" }), []);
      await until("it has ended", () => row("done", second), leaseMs + patienceMs);
      assert.equal((await job.records()).length, 1);
    },
  },

  "a task that waits for its next attempt has no row of a run": {
    engine: false,
    async run({ task, consume, until }) {
      let failed = false;
      const job = task({ record: { running: true }, maxRetries: 1, backoff: 3_000 }, () => {
        if (failed) return;
        failed = true;
        throw new Error("again");
      });
      await consume(job);
      const handle = await job.push();
      await until("it waits", async () => failed && (await job.records()).length === 0);
      assert.equal(await handle.record(), undefined);
      await until("it has ended", async () => (await job.records({ status: "done" })).length === 1);
    },
  },

  "progress is seen from outside while the task runs": {
    async run({ task, consume, until }) {
      const door = gate();
      const job = task({ rpc: true }, async () => {
        await fct.progress({ done: 1, of: 2 });
        await door.opened;
      });
      const handle = await job.push();
      assert.equal(await handle.progress(), undefined);
      await consume(job);
      await until("it is told", async () => (await handle.progress()) !== undefined);
      assert.deepEqual(await handle.progress(), { done: 1, of: 2 });
      door.open();
      await handle.waitResult();
    },
  },

  "progress can be followed to the end": {
    async run({ task, consume, patienceMs }) {
      const doors = [gate(), gate()] as const;
      const job = task({ rpc: true }, async () => {
        await fct.progress(1);
        await doors[0].opened;
        await fct.progress({ step: 2 });
        await doors[1].opened;
        return "end";
      });
      await consume(job);
      const handle = await job.push();
      const seen: unknown[] = [];
      for await (const value of handle.follow({ signal: AbortSignal.timeout(patienceMs) })) {
        seen.push(value);
        doors[seen.length - 1]?.open();
      }
      assert.deepEqual(seen, [1, { step: 2 }]);
      assert.equal(await handle.waitResult(), "end");
    },
  },

  "progress of a run that another process has followed is dropped": {
    needs,
    timeoutMs: 60_000,
    processes: true,
    async run(context) {
      const job = context.task({ params, rpc: true }, (_n: number, _ms?: number): unknown => undefined);
      const sleeper = await context.child({ behaviour: "telling", params: { rpc: true, concurrency: 1 } });
      const { n, handle } = await stopInRun(context, sleeper, (n, ms) => job.push(n, ms));
      assert.deepEqual(await handle.progress<{ from: number }>(), { from: sleeper.pid });
      const door = gate();
      const here = context.task({ params, rpc: true }, async (_n: number, _ms?: number): Promise<unknown> => {
        await fct.progress({ from: process.pid });
        await door.opened;
        return "here";
      });
      await context.consume(here);
      await context.until(
        "it runs here",
        async () => (await handle.progress<{ from: number }>())?.from === process.pid,
      );
      sleeper.signal("SIGCONT");
      await context.until("the sleeper has told and ended", () => endsOf(sleeper, n) === 1);
      assert.deepEqual(await handle.progress(), { from: process.pid });
      door.open();
      await handle.waitResult({ timeout: context.patienceMs });
    },
  },

  async "an id is known when its task has ended, too"({ task, consume, until }) {
    const seen = track<number>();
    const job = task({}, (n: number) => seen.run(n));
    await consume(job);
    const first = await job.publish([1], { taskId: "order-1" });
    await until("it has ended", async () => seen.ended.length === 1 && (await job.count()) === 0);
    const [again, other] = await job.publishMany([
      { args: [2], taskId: "order-1" },
      { args: [3], taskId: "order-2" },
    ]);
    assert.deepEqual([first.existing, again?.existing, again?.id, other?.existing], [false, true, "order-1", false]);
    await until("the other has ended", async () => seen.ended.length === 2 && (await job.count()) === 0);
    assert.deepEqual(seen.started, [1, 3]);
  },

  async "a retried parent does not double its children"({ task, consume, until, patienceMs }) {
    const seen = track<string>();
    const child = task({ queue: `kit-child-${Math.random().toString(36).slice(2)}`, rpc: true }, (name: string) =>
      seen.run(name),
    );
    let runs = 0;
    const parent = task({ rpc: true, backoff: 0 }, async () => {
      const handle = await child.publish(["one"], { taskId: fct.childId("one") });
      await handle.waitResult({ timeout: patienceMs });
      if (++runs < 3) throw new Error("again");
    });
    await consume(child);
    await consume(parent);
    await (await parent.push()).waitResult({ timeout: patienceMs });
    await until("the child has ended", () => seen.ended.length >= 1);
    assert.deepEqual([runs, seen.started], [3, ["one"]]);
  },

  async "a retried parent does not double children that keep no result"({ task, consume, until }) {
    const seen = track<string>();
    const child = task({ queue: `kit-child-${Math.random().toString(36).slice(2)}` }, (name: string) => seen.run(name));
    let runs = 0;
    const parent = task({ backoff: 0 }, async () => {
      await child.publish(["one"], { taskId: fct.childId("one") });
      await until("the child has ended", async () => seen.ended.length >= 1 && (await child.count()) === 0);
      if (++runs < 3) throw new Error("again");
    });
    await consume(child);
    await consume(parent);
    await parent.push();
    await until("the parent has ended", () => runs === 3);
    assert.deepEqual(seen.started, ["one"]);
  },

  "a parent that is killed and runs elsewhere does not double its children": {
    needs,
    timeoutMs: 60_000,
    processes: true,
    async run(context) {
      const job = context.task({ params, rpc: true }, (_value: string, _ms?: number): unknown => undefined);
      const options = { behaviour: "parent", params: { concurrency: 5, rpc: true } } as const;
      const first = await context.child(options);
      const handle = await job.push("parent", 60_000);
      await context.until("its child has ended", () => first.seen("end").some(({ value }) => value === "child"));
      await context.until(
        "its child is acknowledged",
        async () => ((await first.call("consumer.status")) as { held: number }).held === 1,
      );
      await first.kill();
      const second = await context.child(options);
      await context.until("the parent has pushed again", () => second.seen("end").length === 1);
      await context.holds("no child runs again", () => second.seen("start").length === 1, 300);
      await handle.cancel();
      await second.kill();
    },
  },
});
