/** What other libraries got wrong: each sentence is a bug that one of them shipped, told as what should have been. */
import assert from "node:assert/strict";
import type { Broker } from "../../src/contract/index.ts";
import { boost, consumeAll, fct, RequeueError } from "../../src/index.ts";
import { cases } from "./case.ts";
import type { Context } from "./context.ts";
import { each, track } from "./track.ts";
import { gate, working } from "./until.ts";

const params = ["value", "ms?"];
const fixed = (ms: number) => ({ type: "fixed", base: ms, jitter: false }) as const;
/** A backoff grew beyond what a number holds from here on. */
const attempts = 400;

/** The broker with a store whose notices never arrive: only what polls behind them works. */
function deaf(broker: Broker): Broker {
  const { store } = broker;
  if (!store) return broker;
  return {
    ...broker,
    async store(configured) {
      const own = await store(configured);
      return own && { ...own, notify: async () => {}, subscribe: async () => () => {} };
    },
  };
}

function taken(call: Promise<unknown>): Promise<boolean> {
  return call.then(
    () => true,
    () => false,
  );
}

/** Runs that a case opens one by one, and what changes them from outside. */
async function changesArrive(
  { queue, consume, until }: Context,
  on: Broker,
  after: () => Promise<void>,
): Promise<void> {
  const seen = track<number>();
  const aborted: number[] = [];
  const job = boost({ queue, broker: on, rpc: true, concurrency: 1, prefetch: 0 }, async (n: number) => {
    await fct.progress(n); // kept before anything is cut
    await seen.run(n, async () => {
      await new Promise((resolve) => fct.signal?.addEventListener("abort", resolve, { once: true }));
      aborted.push(n);
    });
  });
  const handles = await job.pushMany(each(4));
  await consume(job);
  await until("one runs", () => seen.running === 1);
  await after();
  // While a connection is made again a call may be refused; it is never lost.
  await until("the change is taken", () => taken(job.setConcurrency(3)));
  await until("three run", () => seen.running === 3);
  for (const [i, handle] of handles.entries()) {
    if (!seen.started.includes(i)) continue;
    await until("its progress is seen", async () => (await handle.progress()) === i);
    await handle.cancel();
  }
  await until("the cancelled ones have ended", () => aborted.length >= 3);
  await until("the last one runs", () => seen.started.length === 4);
  await Promise.all(handles.map((handle) => handle.cancel()));
  await until("all have ended", () => aborted.length === 4);
}

export const field = cases({
  "what is changed is in force although every notice is lost": {
    store: true,
    timeoutMs: 90_000,
    run: (context) => changesArrive(context, deaf(context.broker), async () => {}),
  },

  "what is changed after the connections were cut is in force": {
    store: true,
    disrupts: true,
    alone: true,
    timeoutMs: 90_000,
    run: (context) => changesArrive(context, context.broker, () => context.disrupt()),
  },

  async "a message that comes just when a consumer has nothing left is not left lying"({ task, consume, until, many }) {
    const seen = track<number>();
    const job = task({ concurrency: 1 }, (n: number) => seen.run(n));
    await consume(job);
    for (let n = 0; n < many(60); n++) {
      await job.push(n);
      await until(`number ${n} has ended`, () => seen.ended.length > n);
    }
  },

  async "whoever closes several queues at once: none starts anything while another still finishes"({
    task,
    queue,
    until,
    holds,
  }) {
    const door = gate();
    const [slow, quick] = [track<number>(), track<number>()];
    const first = task({ queue: `${queue}a`, concurrency: 1, prefetch: 0 }, (n: number) =>
      slow.run(n, () => door.opened),
    );
    const second = task({ queue: `${queue}b`, concurrency: 1, prefetch: 0 }, (n: number) =>
      quick.run(n, () => working(50)),
    );
    const all = await consumeAll([first, second]);
    await first.push(1);
    await until("the slow one runs", () => slow.running === 1);
    await second.pushMany(each(100));
    await until("the quick ones run", () => quick.started.length >= 2);
    const closing = all.close();
    const started = quick.started.length;
    // One may have been on its way. Queue after queue, this one would go on until the slow one has ended.
    await holds("nothing more starts", () => quick.started.length <= started + 1 && slow.running === 1, 600);
    door.open();
    await closing;
    assert.equal(slow.ended.length, 1);
    await second.clear();
  },

  async "the signal that started consuming ends it, and not what runs"({ task, until, patienceMs, holds }) {
    const door = gate();
    const seen = track<number>();
    const job = task({ rpc: true, concurrency: 1, prefetch: 0 }, (n: number) =>
      seen.run(n, async () => {
        const { signal } = fct;
        await door.opened;
        return `${signal?.aborted}`;
      }),
    );
    const start = new AbortController();
    await consumeAll([job], { signal: start.signal });
    const handle = await job.push(1);
    await until("it runs", () => seen.running === 1);
    start.abort();
    await job.push(2);
    await holds("nothing else starts", () => seen.started.length === 1, 200);
    door.open();
    assert.equal(await handle.waitResult({ timeout: patienceMs }), "false");
    await until("it is acknowledged: one waits", async () => (await job.count()) === 1);
    await job.clear();
  },

  "a retry after a crash waits for its backoff": {
    needs: ["redelivers"],
    feature: "retry",
    processes: true,
    async run(context) {
      const job = context.task({ params, rpc: true }, (_value: unknown, _ms?: number) => {});
      await job.push("x", 60_000);
      const first = await context.child({ params: { concurrency: 1 } });
      await context.until("it runs", () => first.seen("start").length === 1);
      await first.kill();
      const at: number[] = [];
      const again = context.task({ params, maxRetries: 1, backoff: fixed(700) }, (_value: unknown, _ms?: number) => {
        at.push(performance.now());
        if (at.length === 1) throw new Error("no");
      });
      await context.consume(again);
      await context.until("it was retried", () => at.length === 2);
      const waitedMs = (at[1] ?? 0) - (at[0] ?? 0);
      assert.ok(waitedMs >= 700 - context.earlyMs, `after ${waitedMs} ms`);
    },
  },

  "a requeue after no time is no failure": {
    store: true,
    async run({ task, consume, until, patienceMs }) {
      let runs = 0;
      const job = task({ rpc: true, record: true, maxRetries: 0 }, () => {
        if (++runs < 3) throw new RequeueError({ after: 0 });
        return runs;
      });
      await consume(job);
      const record = await (await job.push()).waitRecord({ timeout: patienceMs });
      assert.deepEqual([record.status, record.attempts, record.result], ["done", 1, 3]);
      await until("three runs are counted", async () => (await job.info()).ran === 3);
      assert.equal((await job.info()).failed, 0);
      assert.deepEqual(
        (await job.records()).map(({ status }) => status),
        ["done"],
      );
    },
  },

  "a backoff does not overflow, however many attempts there were": {
    needs: ["retry"], // handed an attempt
    async run({ task, consume, until, open }) {
      const seen: number[] = [];
      const job = task(
        { params: [], maxRetries: 1_000_000, backoff: { base: 100, cap: 200, factor: 1000, jitter: false } },
        () => {
          seen.push(fct.attempt ?? 0);
          if (seen.length < 3) throw new Error("no");
        },
      );
      const queue = await open();
      await queue.publish([{ body: {}, attempt: attempts }]);
      await consume(job);
      await until("three runs", () => seen.length === 3);
      const first = seen[0] ?? 0;
      assert.deepEqual(seen, [first, first + 1, first + 2]);
    },
  },

  "what is published for later goes through usePublish and input too": {
    uses: ["delay"],
    async run({ task, consume, until, patienceMs }) {
      const asked: unknown[] = [];
      const seen: string[] = [];
      const job = task(
        {
          rpc: true,
          usePublish: [(outgoing, next) => next({ args: [`${outgoing.args[0]} by the middleware`] })],
          input: {
            "~standard": {
              version: 1,
              vendor: "kit",
              validate(value) {
                asked.push(value);
                return value === "bad by the middleware" ? { issues: [{ message: "no" }] } : { value };
              },
            },
          },
        },
        (text: string) => void seen.push(text),
      );
      await assert.rejects(job.publish(["bad"], { delay: 50 }), { code: "BAD_ARGS" });
      const handles = [
        await job.publish(["a"], { delay: 50 }),
        await job.publish(["b"], { eta: Date.now() + 50 }),
        ...(await job.publishMany([{ args: ["c"], delay: 50 }])),
      ];
      assert.equal(asked.length, 4);
      await consume(job);
      await Promise.all(handles.map((handle) => handle.waitResult({ timeout: patienceMs })));
      await until("all three", () => seen.length === 3);
      assert.deepEqual(
        seen.sort(),
        ["a", "b", "c"].map((text) => `${text} by the middleware`),
      );
    },
  },

  "tasks without arguments are equal, whenever they came and however they were called": {
    store: true,
    async run({ task, consume, queue, until, patienceMs }) {
      const seen = track<string>();
      const none = task({ rpc: true, filter: true }, () => seen.run("none", () => 1));
      const optional = task({ queue: `${queue}o`, rpc: true, filter: true }, (...sizes: number[]) =>
        seen.run("rest", () => sizes.length),
      );
      const published = task({ queue: `${queue}p`, filter: { when: "published" } }, () => {});
      await consume(none);
      await consume(optional);
      assert.deepEqual([(await published.push()).existing, (await published.push()).existing], [false, true]);
      const early = await none.pushMany([[], []]);
      await Promise.all(early.map((handle) => handle.waitResult({ timeout: patienceMs })));
      assert.equal(await (await none.push()).waitResult({ timeout: patienceMs }), 1);
      assert.equal(await (await optional.push()).waitResult({ timeout: patienceMs }), 0);
      assert.equal(await (await optional.push()).waitResult({ timeout: patienceMs }), 0);
      assert.equal(await (await optional.push(1)).waitResult({ timeout: patienceMs }), 1);
      await until("nothing waits", async () => (await none.count()) + (await optional.count()) === 0);
      assert.deepEqual(seen.started, ["none", "rest", "rest"]);
      await published.clear();
    },
  },
});
