/** Dead letters: where messages go that cannot be done, and why they are there. */
import assert from "node:assert/strict";
import { DeadLetterError, FatalError, RequeueError } from "../../src/index.ts";
import { cases } from "./case.ts";
import { doubles, each, track } from "./track.ts";
import { rejection } from "./until.ts";

/** The reason that a dead letter carries. */
export const reasonOf = (body: unknown): string =>
  String((body as { extra?: { reason?: unknown } } | undefined)?.extra?.reason);

export const deadLetters = cases({
  async "more than maxRequeues ends in the dead-letter queue"({ task, consume, patienceMs, until }) {
    let runs = 0;
    const job = task({ rpc: true, maxRequeues: 2, deadLetter: true }, () => {
      runs++;
      throw new RequeueError({ after: 0 });
    });
    await consume(job);
    const error = await rejection((await job.push()).waitResult({ timeout: patienceMs }));
    assert.deepEqual([runs, error.status], [3, "dead"]);
    await until("the dead letter is there", async () => (await job.deadLetters.count()) === 1);
  },

  async "a message out of retries goes to the dead-letter queue with its reason"({ task, consume, until, patienceMs }) {
    const job = task({ rpc: true, backoff: 0, maxRetries: 1, deadLetter: true }, (_order: { id: number }) => {
      throw new RangeError("the stock is empty");
    });
    await consume(job);
    const error = await rejection((await job.push({ id: 7 })).waitResult({ timeout: patienceMs }));
    assert.equal(error.status, "dead");
    await until("the dead letter is there", async () => (await job.deadLetters.count()) === 1);
    const [letter] = await job.deadLetters.list(10);
    assert.match(reasonOf(letter?.body), /the stock is empty/);
    assert.deepEqual((letter?.body as Record<string, unknown> | undefined)?._order, { id: 7 });
  },

  async "a dead-letter queue can be consumed like any other"({ task, consume, queue, patienceMs, until }) {
    const dead = `${queue}-dead`;
    const seen = track<number>();
    const job = task({ rpc: true, maxRetries: 0, deadLetter: dead, params: ["n"] }, (_n: number) => {
      throw new Error("no");
    });
    const rescue = task({ queue: dead, params: ["n"] }, (n: number) => seen.run(n));
    await consume(job);
    await rejection((await job.push(5)).waitResult({ timeout: patienceMs }));
    await consume(rescue);
    await until("the dead letter is handled", () => seen.ended.length === 1);
    assert.deepEqual(seen.started, [5]);
  },

  async "DeadLetterError goes to the dead-letter queue at once"({ task, consume, until, patienceMs }) {
    let runs = 0;
    const job = task({ rpc: true, backoff: 0, maxRetries: 5, deadLetter: true }, () => {
      runs++;
      throw new DeadLetterError("poisoned for sure");
    });
    await consume(job);
    const error = await rejection((await job.push()).waitResult({ timeout: patienceMs }));
    assert.deepEqual([runs, error.status], [1, "dead"]);
    await until("the dead letter is there", async () => (await job.deadLetters.count()) === 1);
    assert.match(reasonOf((await job.deadLetters.list(1))[0]?.body), /poisoned for sure/);
  },

  async "FatalError fails without a retry"({ task, consume, patienceMs }) {
    let runs = 0;
    const job = task({ rpc: true, backoff: 0, maxRetries: 5 }, () => {
      runs++;
      throw new FatalError("no such customer");
    });
    await consume(job);
    const error = await rejection((await job.push()).waitResult({ timeout: patienceMs }));
    assert.deepEqual([runs, error.status, error.attempts], [1, "failed", 1]);
    assert.match((error.cause as Error).message, /no such customer/);
  },

  async "FatalError is kept by deadLetter: all that failed for good is"({ task, consume, patienceMs, until }) {
    let runs = 0;
    const job = task({ rpc: true, backoff: 0, maxRetries: 5, deadLetter: true }, () => {
      runs++;
      throw new FatalError("no such customer");
    });
    await consume(job);
    const error = await rejection((await job.push()).waitResult({ timeout: patienceMs }));
    assert.deepEqual([runs, error.status, error.attempts], [1, "dead", 1]);
    await until("the dead letter is there", async () => (await job.deadLetters.count()) === 1);
    assert.match(reasonOf((await job.deadLetters.list(1))[0]?.body), /no such customer/);
  },

  async "DeadLetterError is kept without deadLetter too, FatalError is not"({ task, consume, patienceMs, until }) {
    const job = task({ rpc: true, maxRetries: 5 }, (kind: string) => {
      throw kind === "fatal" ? new FatalError("not kept") : new DeadLetterError("kept");
    });
    await consume(job);
    for (const kind of ["fatal", "dead"]) await rejection((await job.push(kind)).waitResult({ timeout: patienceMs }));
    await until("the dead letter is there", async () => (await job.deadLetters.count()) === 1);
    assert.match(reasonOf((await job.deadLetters.list(10))[0]?.body), /: kept/);
  },

  async "redrive brings dead letters back, under their ids, as they were"({ task, consume, until, patienceMs }) {
    const seen = track<string>();
    let broken = true;
    const job = task({ rpc: true, maxRetries: 0, deadLetter: true }, (name: string, more: { x: number }) => {
      if (broken) throw new Error("down");
      return seen.run(name, () => more.x);
    });
    await consume(job);
    const handles = await Promise.all(
      ["a", "b", "c"].map((name, x) => job.publish([name, { x }], { taskId: `redrive-${name}` })),
    );
    for (const handle of handles) await rejection(handle.waitResult({ timeout: patienceMs }));
    await until("three dead letters", async () => (await job.deadLetters.count()) === 3);
    broken = false;
    assert.equal(await job.deadLetters.redrive({ limit: 1 }), 1);
    await until("two are left", async () => (await job.deadLetters.count()) === 2);
    assert.equal(await job.deadLetters.redrive({ ratePerSecond: 20 }), 2);
    await until("all have run", () => seen.ended.length === 3);
    await until("none is left", async () => (await job.deadLetters.count()) === 0);
    assert.deepEqual([...seen.started].sort(), ["a", "b", "c"]);
    assert.equal(await job.deadLetters.redrive(), 0);
  },

  "dead letters come back with their priority": {
    alone: true, // lanes keep an order as long as a fetch is quick
    feature: "priority",
    uses: ["pause"],
    async run({ task, consume, until, patienceMs }) {
      const seen: number[] = [];
      let broken = true;
      const job = task({ rpc: true, maxRetries: 0, deadLetter: true, concurrency: 1, prefetch: 0 }, (n: number) => {
        if (broken) throw new Error("down");
        seen.push(n);
      });
      const consumer = await consume(job);
      const priorities = [-5, 0, 5, 0, -5, 5];
      const handles = await job.publishMany(priorities.map((priority) => ({ args: [priority] as [number], priority })));
      for (const handle of handles) await rejection(handle.waitResult({ timeout: patienceMs }));
      await until("all are dead", async () => (await job.deadLetters.count()) === priorities.length);
      await consumer.close();
      broken = false;
      await job.pause();
      assert.equal(await job.deadLetters.redrive(), priorities.length);
      await consume(job);
      await job.resume();
      await until("all have run", () => seen.length === priorities.length);
      assert.deepEqual(seen, [5, 5, 0, 0, -5, -5]);
    },
  },

  "a redrive that is killed loses nothing and doubles nothing": {
    needs: ["redelivers", "durable"],
    processes: true,
    timeoutMs: 60_000,
    async run({ task, consume, child, until, many, patienceMs }) {
      const n = many(60);
      const seen = track<number>();
      let broken = true;
      const job = task(
        { params: ["value", "ms?"], maxRetries: 0, deadLetter: true, concurrency: 10 },
        (value: number, _ms?: number) => {
          if (broken) throw new Error("down");
          return seen.run(value);
        },
      );
      await consume(job);
      await job.pushMany(each(n));
      await until(
        "all are dead",
        async () => (await job.count()) === 0 && (await job.deadLetters.count()) === n,
        patienceMs * 2,
      );
      broken = false;
      const other = await child({ consume: false, params: { deadLetter: true } });
      const redriving = other.call("redrive", { ratePerSecond: 40 }).catch(() => "killed");
      await until("some are moved", () => seen.ended.length >= n / 3);
      await other.kill();
      assert.equal(await redriving, "killed");
      await job.deadLetters.redrive();
      await until("all have run", () => seen.ended.length >= n, patienceMs * 2);
      await until("none is left", async () => (await job.count()) === 0 && (await job.deadLetters.count()) === 0);
      assert.deepEqual(doubles(seen.started), []);
    },
  },
});
