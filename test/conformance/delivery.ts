/** Delivery: what is published arrives, whole and once. */
import assert from "node:assert/strict";
import { fct } from "../../src/index.ts";
import { cases } from "./case.ts";
import { each, range, sorted, track } from "./track.ts";
import { rejection } from "./until.ts";

const hardBody = {
  text: 'Grüße, 世界, 👩‍👩‍👧‍👦, \u2028 "quotes" \\ back\nline\ttab',
  "ключ 🔑": ["", " ", null, true, false, 0, -1.5, 1e21, 2 ** 53 - 1, 1.0e-7],
  empty: { list: [], object: {} },
  constructor: "no class",
  extra: { nested: "not the envelope" },
  deep: range(60).reduce<unknown>((inner, i) => ({ [`level${i}`]: [inner] }), "bottom"),
};

export const delivery = cases({
  async "each message is handled once when nothing fails"({ task, consume, until, queue }) {
    const seen = track<number>();
    const job = task({ concurrency: 10 }, (n: number) => seen.run(n));
    await job.pushMany(each(200));
    await Promise.all(range(20).map((n) => job.push(200 + n)));
    await consume(job);
    await until("220 messages are handled", () => seen.ended.length >= 220);
    await until("the queue is empty", async () => (await job.count()) === 0);
    assert.deepEqual(sorted(seen.started), range(220), `doubles or losses on ${queue}`);
  },

  async "messages published while consuming arrive too"({ task, consume, until }) {
    const seen = track<number>();
    const job = task({ concurrency: 3 }, (n: number) => seen.run(n));
    await consume(job);
    for (const n of range(30)) await job.push(n);
    await until("30 messages are handled", () => seen.ended.length >= 30);
    assert.deepEqual(sorted(seen.started), range(30));
  },

  "pushMany keeps its order": {
    needs: ["ordered"],
    async run({ task, consume, until }) {
      const seen = track<number>();
      const job = task({ concurrency: 1 }, (n: number) => seen.run(n));
      const handles = await job.pushMany(each(150));
      assert.equal(new Set(handles.map(({ id }) => id)).size, 150);
      await consume(job);
      await until("150 messages are handled", () => seen.ended.length >= 150);
      assert.deepEqual(seen.started, range(150));
    },
  },

  async "a body survives unicode and nesting"({ task, consume, patienceMs }) {
    const job = task({ rpc: true, params: ["body", "list"] }, (body: unknown, list: unknown[]) => ({ body, list }));
    await consume(job);
    const back = await (await job.push(hardBody, [hardBody, [[[]]]])).waitResult({ timeout: patienceMs });
    assert.deepEqual(back, { body: hardBody, list: [hardBody, [[[]]]] });
  },

  async "a body of 300 kB arrives whole"({ task, consume, until }) {
    const seen: string[] = [];
    const job = task({ params: ["text", "n"] }, (text: string, _n: number) => void seen.push(text));
    const text = "0123456789 äöü 🎬".repeat(13_000);
    await consume(job);
    await job.pushMany(range(3).map((n) => [text, n]));
    await until("three large messages are handled", () => seen.length >= 3);
    assert.ok(seen.every((each) => each === text));
  },

  async "pushMany([]) publishes nothing"({ task, consume, until, holds }) {
    const seen = track<number>();
    const job = task({}, (n: number) => seen.run(n));
    assert.deepEqual(await job.pushMany([]), []);
    await consume(job);
    await holds("nothing runs", () => seen.started.length === 0, 60);
    await job.push(1);
    await until("the one message is handled", () => seen.ended.length === 1);
    assert.deepEqual(seen.started, [1]);
  },

  async "a known task id is published once"({ task, consume, until }) {
    const seen = track<number>();
    const job = task({ concurrency: 1 }, (n: number) => seen.run(n));
    const first = await job.publish([1], { taskId: "order-42" });
    const second = await job.publish([2], { taskId: "order-42" });
    assert.deepEqual([first.existing, second.existing, second.id], [false, true, "order-42"]);
    const [again, other] = await job.publishMany([
      { args: [3], taskId: "order-42" },
      { args: [4], taskId: "order-43" },
    ]);
    assert.deepEqual([again?.existing, other?.existing], [true, false]);
    await consume(job);
    await until("the two messages are handled", () => seen.ended.length >= 2);
    await until("the queue is empty", async () => (await job.count()) === 0);
    assert.deepEqual(sorted(seen.started), [1, 4]);
  },

  async "a task id of the caller is the id that the task sees, and that its result is found by"({
    task,
    consume,
    until,
    patienceMs,
  }) {
    const ids = ["order-42", "Bestellung ü 🎬", "a.b/c_d", "x".repeat(200)];
    const seen = new Map<string, number>();
    const job = task({ rpc: true }, (n: number) => {
      seen.set(fct.taskId ?? "", n);
      return n;
    });
    const handles = await job.publishMany(ids.map((taskId, n) => ({ args: [n] as [number], taskId })));
    assert.deepEqual(
      handles.map(({ id }) => id),
      ids,
    );
    await consume(job);
    await until("all are handled", () => seen.size >= ids.length);
    assert.deepEqual(
      ids.map((id) => seen.get(id)),
      range(ids.length),
    );
    assert.deepEqual(
      await Promise.all(handles.map((handle) => handle.waitResult({ timeout: patienceMs }))),
      range(ids.length),
    );
  },

  async "fct tells a task about its message"({ task, consume, queue, patienceMs }) {
    const job = task({ rpc: true }, (n: number) => {
      const { taskId, attempt, args, publishedAt, headers } = fct;
      return {
        n,
        taskId,
        queue: fct.queue,
        attempt,
        args,
        publishedAt: publishedAt?.getTime(),
        headers,
        aborted: fct.signal?.aborted,
      };
    });
    await consume(job);
    const before = Date.now();
    const handle = await job.publish([7], { headers: { traceparent: "00-1-2-01" } });
    const { publishedAt, ...seen } = await handle.waitResult({ timeout: patienceMs });
    assert.deepEqual(seen, {
      n: 7,
      taskId: handle.id,
      queue,
      attempt: 1,
      args: [7],
      headers: { traceparent: "00-1-2-01" },
      aborted: false,
    });
    assert.ok(Math.abs((publishedAt ?? 0) - before) < 10_000, `published at ${publishedAt}, pushed at ${before}`);
    assert.equal(fct.taskId, undefined);
  },

  async "args that JSON would change are refused before anything is published"({ task, queue }) {
    const job = task({ params: ["value"] }, (_value: unknown) => {});
    const bad: unknown[] = [
      new Map([[1, 2]]),
      { at: new Date() },
      [undefined],
      10n,
      { deep: { buffer: Buffer.from("x") } },
      Number.NaN,
    ];
    for (const value of bad) assert.equal((await rejection(job.push(value))).code, "BAD_ARGS");
    await rejection(job.pushMany([[1], [new Set()]]));
    assert.equal(await job.count(), 0, queue);
  },

  async "a task that fails does not stop the consumer"({ task, consume, until }) {
    const seen = track<number>();
    const job = task({ maxRetries: 0, concurrency: 2 }, (n: number) =>
      seen.run(n, () => {
        if (n % 2 === 0) throw new Error(`no ${n}`);
      }),
    );
    await consume(job);
    await job.pushMany(each(40));
    await until("40 messages are handled", () => seen.ended.length >= 40);
    assert.deepEqual(sorted(seen.started), range(40));
  },

  async "publishMany takes options for each message"({ task, consume, until, earlyMs, engineLateMs }) {
    const seen: { n: number; at: number }[] = [];
    const job = task({}, (n: number) => void seen.push({ n, at: performance.now() }));
    await consume(job);
    const start = performance.now();
    await job.publishMany([{ args: [1], delay: 400 + engineLateMs }, { args: [2] }, { args: [3], delay: "200ms" }]);
    await until("three messages are handled", () => seen.length >= 3);
    assert.deepEqual(
      seen.map(({ n }) => n),
      [2, 3, 1],
    );
    assert.ok((seen[2]?.at ?? 0) - start >= 400 - earlyMs);
  },
});
