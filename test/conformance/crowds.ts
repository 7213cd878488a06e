/** Crowds: many messages, many waiters and several brokers at once. */
import assert from "node:assert/strict";
import { boost, fct, isFunboostError } from "../../src/index.ts";
import { cases } from "./case.ts";
import { each, range, sorted, track } from "./track.ts";
import { gate, until, working } from "./until.ts";

const threeMegabytes = 3_000_000;

export const crowds = cases({
  async "a thousand published in one call answer their ids in order"({ task, consume, until, many }) {
    const n = many(1_000);
    const ids = new Map<number, string | undefined>();
    const job = task({ concurrency: 50 }, (i: number) => void ids.set(i, fct.taskId));
    const handles = await job.pushMany(each(n));
    assert.equal(new Set(handles.map(({ id }) => id)).size, n);
    await consume(job);
    await until("all are handled", () => ids.size === n);
    assert.deepEqual(
      range(n).map((i) => ids.get(i)),
      handles.map(({ id }) => id),
    );
  },

  async "three hundred results are waited for at once"({ task, consume, many, patienceMs }) {
    const n = many(300);
    const job = task({ rpc: true, concurrency: 20 }, (i: number) => i * 2);
    const handles = await job.pushMany(each(n));
    const results = Promise.all(handles.map((handle) => handle.waitResult({ timeout: patienceMs * 2 })));
    await consume(job);
    assert.deepEqual(
      await results,
      range(n).map((i) => i * 2),
    );
  },

  async "a task id that is published twenty times at once is published once"({ task, consume, until, holds }) {
    const seen = track<number>();
    const job = task({}, (n: number) => seen.run(n));
    const handles = await Promise.all(range(20).map((n) => job.publish([n], { taskId: "one-of-twenty" })));
    assert.equal(handles.filter(({ existing }) => !existing).length, 1);
    await consume(job);
    await until("it is handled", () => seen.ended.length >= 1);
    await holds("it is handled once", () => seen.started.length === 1, 100);
  },

  "a task id that is published again while its task ends runs once": {
    store: true,
    async run({ task, consume, many, until, holds }) {
      const runs = new Map<string, number>();
      const again: Promise<{ readonly existing: boolean }>[] = [];
      const job = task({ concurrency: 20 }, async (id: string) => {
        runs.set(id, (runs.get(id) ?? 0) + 1);
        for (let n = 0; n < 3; n++) {
          again.push(job.publish([id], { taskId: id })); // not awaited: they meet the end
          await working(n === 2 ? 0 : 1);
        }
      });
      await consume(job);
      const ids = range(many(300)).map((n) => `again-${n}`);
      await job.publishMany(ids.map((id) => ({ args: [id] as [string], taskId: id })));
      await until("all have run", () => runs.size === ids.length);
      const isNew = (await Promise.all(again)).filter(({ existing }) => !existing).length;
      const twice = () => ids.filter((id) => runs.get(id) !== 1).length;
      await holds(`each runs once: ${isNew} were published again`, () => isNew + twice() === 0, 300);
    },
  },

  "a task id whose publisher was killed before its message was sent can be published": {
    needs: ["durable"],
    processes: true,
    async run({ task, consume, child, until }) {
      const seen = track<string>();
      const other = await child({ consume: false, dies: "publishing" });
      await assert.rejects(other.call("publish", ["never sent"], { taskId: "order-1" }), /the child has exited/);
      const job = task({ params: ["value", "ms?"] }, (value: string, _ms?: number) => seen.run(value));
      const { existing } = await job.publish(["sent"], { taskId: "order-1" });
      assert.equal(existing, false);
      await consume(job);
      await until("it has run", () => seen.ended.length === 1);
      assert.deepEqual(seen.started, ["sent"]);
    },
  },

  "two brokers of one process share a queue, and one goes on without the other": {
    needs: ["durable"],
    async run(context) {
      const seen = track<number>();
      const by = [0, 0];
      const both = gate(); // until then each keeps to its five, and the other gets the rest
      const jobs = [context.broker, await context.another()].map((broker, i) =>
        boost({ queue: context.queue, broker, concurrency: 5, params: ["n"] }, (n: number) => {
          by[i] = (by[i] ?? 0) + 1;
          if (by.every((each) => each > 0)) both.open();
          return seen.run(n, () => both.opened.then(() => working(5)));
        }),
      );
      const [one, two] = jobs as [(typeof jobs)[0], (typeof jobs)[0]];
      const first = await context.consume(one);
      await context.consume(two);
      await one.pushMany(each(100));
      await context.until("both have got some", () => by.every((n) => n > 0));
      await context.until("all are handled", () => seen.ended.length >= 100);
      await first.close();
      await one.pushMany(range(10).map((n) => [100 + n]));
      await context.until("ten more are handled", () => seen.ended.length >= 110);
      assert.deepEqual(sorted(seen.started), range(110));
    },
  },

  "a body of 3 MB arrives whole, or is refused and not sent": {
    alone: true,
    async run({ task, consume, until }) {
      const seen: number[] = [];
      const job = task({ params: ["text"] }, (text: string) => void seen.push(text.length));
      const sent = await job.push("x".repeat(threeMegabytes)).then(
        () => true,
        (error: unknown) => {
          assert.ok(isFunboostError(error), `refused with ${error}`);
          return false;
        },
      );
      await consume(job);
      await job.push("small");
      await until("all are handled", () => seen.includes(5) && (!sent || seen.length === 2));
      assert.deepEqual(sorted(seen), sent ? [5, threeMegabytes] : [5]);
    },
  },

  "a result of 3 MB arrives whole, or its waiter hears why, and the task runs once": {
    alone: true,
    async run({ task, consume, patienceMs, holds }) {
      let runs = 0;
      const job = task({ rpc: true, maxRetries: 0 }, () => {
        runs++;
        return "x".repeat(threeMegabytes);
      });
      await consume(job);
      const outcome = await (await job.push()).waitResult({ timeout: patienceMs }).then(
        (text) => text.length,
        (error: unknown) => (isFunboostError(error) ? error.code : error),
      );
      assert.ok([threeMegabytes, "RESULT", "TASK"].includes(outcome as number | string), `ended as ${outcome}`);
      await holds("it runs once", () => runs === 1, 200);
    },
  },

  "a message of another process reaches an idle consumer within two seconds": {
    needs: ["durable"],
    processes: true,
    async run({ task, consume, child }) {
      const seen: unknown[] = [];
      const job = task({ params: ["value", "ms?"] }, (value: unknown, _ms?: number) => void seen.push(value));
      await consume(job);
      const other = await child({ consume: false });
      for (const n of range(4)) {
        await other.call("push", n);
        await until(`message ${n} is there`, () => seen.length > n, 2_000);
        await working(150 * n); // idle for longer and longer
      }
      assert.deepEqual(seen, range(4));
    },
  },
});
