/** filter: what was done, or published, with the same arguments is not done again, whoever is killed. */
import assert from "node:assert/strict";
import { kept } from "./case.ts";
import type { Dying } from "./child.ts";
import type { Context } from "./context.ts";
import { track } from "./track.ts";
import { rejection, working } from "./until.ts";

const params = ["value", "ms?"];
const needs = ["redelivers", "durable"] as const;

/** The done mark is written, then nothing more. */
async function killedBeforeAck(context: Context, dies: Dying): Promise<void> {
  const job = context.task({ params, rpc: true, filter: true }, (_value: string, _ms?: number): unknown => undefined);
  const options = { params: { rpc: true, filter: true } };
  const first = await context.child({ ...options, dies });
  const handle = await job.push("once");
  await context.until("it has run", () => first.seen("end").length === 1);
  await first.exited;
  const second = await context.child(options);
  assert.equal(await handle.waitResult({ timeout: context.patienceMs }), "once");
  await context.until("the queue is empty", async () => (await job.count()) === 0);
  // What a dead process held is no longer counted, and comes back when its lease has ended.
  await context.holds("it does not run again", () => second.seen("start").length === 0, context.leaseMs * 3);
  const record = await handle.waitRecord({ timeout: context.patienceMs });
  assert.deepEqual([record.status, record.pid, second.seen("start").length], ["done", first.pid, 0]);
}

export const filters = kept({
  async "a task that was done is not done again with the same arguments, and its waiter gets the result"({
    task,
    consume,
    until,
  }) {
    const seen = track<string>();
    const job = task({ rpc: true, filter: true }, (name: string, more: { a: number; b: number }) =>
      seen.run(name, () => `${name}${more.a}`),
    );
    await consume(job);
    assert.equal(await (await job.push("x", { a: 1, b: 2 })).waitResult(), "x1");
    const again = await job.push("x", { b: 2, a: 1 });
    assert.equal(await again.waitResult(), "x1");
    assert.equal((await again.record())?.status, "filtered");
    assert.equal(await (await job.push("x", { a: 2, b: 2 })).waitResult(), "x2");
    await until("the queue is empty", async () => (await job.count()) === 0);
    assert.deepEqual(seen.started, ["x", "x"]);
  },

  async "of equal messages at once one runs"({ task, consume, patienceMs }) {
    const seen = track<number>();
    const job = task({ rpc: true, filter: true, concurrency: 20 }, (n: number) =>
      seen.run(n, () => working(30).then(() => n * 2)),
    );
    await consume(job);
    const handles = await job.pushMany(Array.from({ length: 20 }, (_, i) => [i % 2] as [number]));
    const results = await Promise.all(handles.map((handle) => handle.waitResult({ timeout: patienceMs })));
    assert.deepEqual(
      results,
      Array.from({ length: 20 }, (_, i) => (i % 2) * 2),
    );
    assert.deepEqual([...seen.started].sort(), [0, 1]);
  },

  async "a task that failed is not filtered, its own retries pass"({ task, consume, patienceMs }) {
    let runs = 0;
    const job = task({ rpc: true, filter: true, maxRetries: 1, backoff: 0 }, (_n: number) => {
      if (++runs < 3) throw new Error(`no ${runs}`);
      return runs;
    });
    await consume(job);
    const error = await rejection((await job.push(1)).waitResult({ timeout: patienceMs }));
    assert.deepEqual([error.status, error.attempts], ["failed", 2]);
    assert.equal(await (await job.push(1)).waitResult({ timeout: patienceMs }), 3);
    assert.equal(await (await job.push(1)).waitResult({ timeout: patienceMs }), 3);
  },

  async "what makes messages equal is the task's key, or the message's"({ task, consume, until }) {
    const seen = track<string>();
    const job = task({ filter: { key: (name: string) => name.toLowerCase() } }, (name: string) => seen.run(name));
    await consume(job);
    await job.push("a");
    await until("it has ended", () => seen.ended.length === 1);
    await job.push("A");
    await job.publish(["b"], { filterKey: "a" });
    await until("the queue is empty", async () => (await job.count()) === 0);
    await job.publish(["a"], { filterKey: "other" });
    await until("another key runs", () => seen.ended.length === 2);
    assert.deepEqual(seen.started, ["a", "a"]);
  },

  "a task is filtered for as long as its ttl": {
    engine: false,
    async run({ task, consume, until, patienceMs }) {
      const ttl = 1_500;
      const seen = track<string>();
      const job = task({ rpc: true, filter: { ttl } }, (name: string) => seen.run(name, () => performance.now()));
      await consume(job);
      const run = async () => (await job.push("a")).waitResult({ timeout: patienceMs });
      const first = await run();
      await until("its time is over, and it runs again", async () => (await run()) !== first);
      assert.ok((await run()) - first >= ttl - 25);
      assert.ok(seen.started.length >= 2);
    },
  },

  async "what was published with the same arguments is not published again"({ task, consume, until }) {
    const seen = track<number>();
    const job = task({ rpc: true, filter: { when: "published", ttl: "1h" } }, (n: number) => seen.run(n, () => n));
    const [first, second, third] = await job.pushMany([[1], [2], [1]]);
    const fourth = await job.push(2);
    assert.deepEqual([first?.existing, second?.existing, third?.existing, fourth.existing], [false, false, true, true]);
    assert.deepEqual([third?.id, fourth.id], [first?.id, second?.id]);
    assert.equal(await job.count(), 2);
    await consume(job);
    assert.equal(await third?.waitResult(), 1);
    await until("the queue is empty", async () => (await job.count()) === 0);
    assert.equal((await job.push(1)).existing, true);
  },

  async "whoever waits for a filtered task gets the result of one that kept none for itself"({
    task,
    consume,
    patienceMs,
    until,
  }) {
    const seen = track<number>();
    const job = task({ filter: true }, (n: number) => seen.run(n, () => ({ twice: n * 2 })));
    await consume(job);
    await job.push(1);
    await until("it has ended", () => seen.ended.length === 1);
    assert.deepEqual(await (await job.publish([1], { rpc: true })).waitResult({ timeout: patienceMs }), { twice: 2 });
    assert.equal(seen.started.length, 1);
  },

  async "whoever publishes what was published may wait for the first, which kept its result for that"({
    task,
    consume,
    patienceMs,
    until,
  }) {
    const seen = track<number>();
    const job = task({ filter: { when: "published" } }, (n: number) => seen.run(n, () => n * 2));
    await consume(job);
    await job.push(4);
    await until("it has ended", () => seen.ended.length === 1);
    const again = await job.publish([4], { rpc: true });
    assert.deepEqual([again.existing, await again.waitResult({ timeout: patienceMs })], [true, 8]);
  },

  "a task whose process is killed as its row is written is not run again, and its caller gets the result": {
    needs,
    timeoutMs: 60_000,
    processes: true,
    run: (context) => killedBeforeAck(context, "recording"),
  },

  "a task whose process is killed when all but its acknowledgement is done is not run again, and its caller gets the result":
    {
      needs,
      timeoutMs: 60_000,
      processes: true,
      run: (context) => killedBeforeAck(context, "settling"),
    },

  "of equal messages at once one runs in all processes": {
    needs: ["durable"],
    processes: true,
    async run(context) {
      const job = context.task(
        { params, rpc: true, filter: true },
        (_value: number, _ms?: number): unknown => undefined,
      );
      const handles = await job.pushMany(Array.from({ length: 12 }, (_, i) => [i % 2, 100]));
      const options = { params: { rpc: true, filter: true, concurrency: 6 } };
      const children = await Promise.all([context.child(options), context.child(options)]);
      const results = await Promise.all(handles.map((handle) => handle.waitResult({ timeout: context.patienceMs })));
      assert.deepEqual(
        results,
        handles.map((_, i) => i % 2),
      );
      assert.equal(children.flatMap((child) => child.seen("start")).length, 2);
    },
  },

  "a claim whose process was killed frees itself": {
    needs,
    timeoutMs: 60_000,
    processes: true,
    async run(context) {
      const job = context.task(
        { params, rpc: true, filter: true },
        (_value: string, _ms?: number): unknown => undefined,
      );
      const options = { params: { rpc: true, filter: { ttl: "1h" }, concurrency: 5 } };
      const first = await context.child(options);
      const handles = [await job.publish(["a", 60_000], { filterKey: "one" })];
      await context.until("it runs", () => first.seen("start").length === 1);
      await first.kill();
      handles.push(await job.publish(["b"], { filterKey: "one" }));
      const second = await context.child({ ...options, behaviour: "brief" });
      const results = await Promise.all(
        handles.map((handle) => handle.waitResult({ timeout: context.patienceMs * 2 })),
      );
      assert.equal(second.seen("start").length, 1);
      assert.equal(new Set(results).size, 1);
    },
  },
});
