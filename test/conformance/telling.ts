/** What funboost tells of its work: events, the log, trace context, counts that outlive processes. */
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { fct, type Logger } from "../../src/index.ts";
import { cases } from "./case.ts";
import type { Context } from "./context.ts";
import { each } from "./track.ts";
import { rejection, working } from "./until.ts";

interface Heard {
  readonly name: string;
  readonly message: Readonly<Record<string, unknown>>;
}

/** What these channels say of one queue: other cases run in this process too. */
function listen({ defer }: Context, queue: string, names: readonly string[]): Heard[] {
  const heard: Heard[] = [];
  for (const name of names) {
    const on = (message: unknown) => {
      const fields = { ...(message as Heard["message"]) };
      if (fields.queue === queue) heard.push({ name, message: fields });
    };
    subscribe(`funboost:${name}`, on);
    defer(() => unsubscribe(`funboost:${name}`, on));
  }
  return heard;
}

const named = (heard: readonly Heard[], name: string) =>
  heard.filter((one) => one.name === name).map(({ message }) => message);

function keepingLogger(): { readonly lines: string[]; readonly logger: Logger } {
  const lines: string[] = [];
  const write = (level: string) => (_: object, text: string) => void lines.push(`${level} ${text}`);
  return { lines, logger: { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") } };
}

const params = ["value", "ms?"];
const trace = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate: "vendor=1" };

export const telling = cases({
  "listeners of a task hear its ends, its retries and its progress": {
    store: true, // for progress
    async run({ task, until }) {
      const job = task({ maxRetries: 1, backoff: 10 }, async (what: string) => {
        await fct.progress(what);
        if (what === "bad") throw new Error("no");
        return `${what}!`;
      });
      const heard: string[] = [];
      job.on("done", ({ result, attempts }) => heard.push(`done ${result} ${attempts}`));
      job.on("failed", ({ error, attempts }) => heard.push(`failed ${error?.message} ${attempts}`));
      job.on("retry", ({ attempt, error }) => heard.push(`retry ${attempt} ${error.message}`));
      job.on("progress", ({ value }) => heard.push(`progress ${value}`));
      await job.consume();
      await job.push("good");
      await until("the first has ended", () => heard.length === 2);
      await job.push("bad");
      await until("both have ended", () => heard.length === 6);
      const first = ["progress good", "done good! 1"];
      assert.deepEqual(heard, [...first, "progress bad", "retry 1 no", "progress bad", "failed no 2"]);
    },
  },
  async "events follow a task from its publish to its settlement"(context) {
    const { task, broker, until } = context;
    const job = task({ maxRetries: 0 }, (n: number) => n);
    const points = [
      "consumer:ready",
      "publish:end",
      "fetch:end",
      "run:start",
      "run:end",
      "settle:start",
      "settle:end",
      "consumer:closing",
      "consumer:closed",
    ];
    const heard = listen(context, job.queue, points);
    const consumer = await job.consume();
    const { id } = await job.push(1);
    await until("it has settled", () => named(heard, "settle:end").length > 0);
    await consumer.close();
    assert.deepEqual([...new Set(heard.map(({ name }) => name))].sort(), [...points].sort());
    for (const { message } of heard) assert.equal(message.broker, broker.name);
    const [published] = named(heard, "publish:end");
    assert.deepEqual([published?.count, published?.ids], [1, [id]]);
    assert.ok(named(heard, "fetch:end").some(({ ids }) => (ids as string[]).includes(id)));
    const runs = named(heard, "run:end").map(({ taskId, attempt, outcome, runMs, waitMs }) => [
      taskId,
      attempt,
      outcome,
      typeof runMs,
      typeof waitMs,
    ]);
    assert.deepEqual(runs, [[id, 1, "done", "number", "number"]]);
    const settled = named(heard, "settle:end").map(({ taskId, attempt, outcome, settleMs }) => [
      taskId,
      attempt,
      outcome,
      typeof settleMs,
    ]);
    assert.deepEqual(settled, [[id, 1, "applied", "number"]]);
    assert.deepEqual(named(heard, "consumer:closed")[0]?.orphanedIds, []);
  },

  "events and the log tell a retry, a final failure and a dead letter": {
    uses: ["retry"],
    async run(context) {
      const { task, consume, until } = context;
      const { lines, logger } = keepingLogger();
      const job = task(
        { maxRetries: 1, backoff: 0, deadLetter: true, log: { logger, level: "info", summary: false } },
        () => {
          throw new RangeError("no luck");
        },
      );
      const heard = listen(context, job.queue, ["run:end", "deadletter"]);
      await consume(job);
      const { id } = await job.push();
      await until("it has ended for good", () => named(heard, "run:end").length === 2);
      const told = named(heard, "run:end").map(({ taskId, attempt, outcome, error }) => [
        taskId,
        attempt,
        outcome,
        (error as Error).message,
      ]);
      assert.deepEqual(told, [
        [id, 1, "retry", "no luck"],
        [id, 2, "failed", "no luck"],
      ]);
      assert.deepEqual(
        named(heard, "deadletter").map(({ taskId, attempt }) => [taskId, attempt]),
        [[id, 2]],
      );
      assert.deepEqual(lines, [
        "info task failed, will retry",
        "warn task failed for good, moved to the dead-letter queue",
      ]);
    },
  },

  "a run that its process did not survive is told when it comes again": {
    needs: ["durable", "redelivers"],
    processes: true,
    timeoutMs: 90_000,
    async run(context) {
      const { task, child, consume, until, patienceMs, leaseMs } = context;
      const job = task({ params }, (_value: unknown, _ms?: number) => {});
      const heard = listen(context, job.queue, ["run:crashed"]);
      const other = await child();
      const { id } = await job.push("a", 60_000);
      await until("it runs there", () => other.seen("start").length === 1);
      await other.kill();
      await consume(job);
      await until("it is told", () => named(heard, "run:crashed").length > 0, patienceMs + 10 * leaseMs);
      assert.deepEqual([named(heard, "run:crashed")[0]?.taskId, named(heard, "run:crashed")[0]?.crashes], [id, 1]);
    },
  },

  "trace context goes from the publisher to the run, over its retries, and on to its children": {
    uses: ["retry"],
    async run({ task, consume, until, queue }) {
      const seen: Record<string, string>[] = [];
      const child = task({ queue: `${queue}-child` }, () => void seen.push({ ...fct.headers }));
      const parent = task({ maxRetries: 1, backoff: 0 }, async () => {
        seen.push({ ...fct.headers });
        if (fct.attempt === 1) throw new Error("again");
        await child.push();
      });
      await consume(child);
      await consume(parent);
      await parent.publish([], { headers: { ...trace, other: "stays here" } });
      await until("the child has run", () => seen.length === 3);
      assert.deepEqual(seen, [{ ...trace, other: "stays here" }, { ...trace, other: "stays here" }, trace]);
    },
  },

  "info tells how fast it goes from the first seconds, and what failed for good": {
    store: true,
    async run({ task, consume, until, features }) {
      const job = task(
        { concurrency: 1, prefetch: 0, maxRetries: 1, backoff: 60_000, rpc: true },
        async (n: number) => {
          await working(50);
          if (n < 0) throw new Error("no");
        },
      );
      await consume(job);
      await rejection((await job.publish([-1], { maxRetries: 0 })).waitResult());
      await job.push(-2);
      await job.pushMany(each(200));
      await until("ten have run", async () => (await job.info()).ran >= 10);
      const { ran, failed, retried, ranPerMinute, meanMs = 0, ready = 0, etaMs = 0 } = await job.info();
      assert.ok(ranPerMinute > 3 * ran, `${ranPerMinute} a minute after ${ran}: as if they had taken more than 20 s`);
      assert.ok(ranPerMinute <= 1_300 && meanMs > 40, `${ranPerMinute} a minute at ${meanMs} ms each`);
      assert.deepEqual([failed, retried], [1, 1]);
      if (features.exactCount) assert.ok(etaMs >= ready * 40 && etaMs < ready * 6_000, `${etaMs} ms for ${ready}`);
      await job.clear();
    },
  },

  "counts are kept over restarts; a killed process takes those of its last second": {
    store: true,
    needs: ["durable"],
    processes: true,
    timeoutMs: 90_000,
    async run({ task, child, until }) {
      const job = task({ params }, (_value: unknown, _ms?: number) => {});
      const first = await child();
      await job.pushMany(each(3));
      await until("three have ended", () => first.seen("end").length === 3);
      await first.call("shutdown", { grace: 5_000 });
      await until("their counts are kept", async () => (await job.info()).ran === 3); // it does not wait for long for a store that is slow
      const second = await child();
      await job.pushMany(each(2));
      await until("their counts are kept while it goes on", async () => (await job.info()).ran === 5);
      await second.kill();
      await child();
      await job.pushMany(each(4));
      await until("the third adds its own", async () => (await job.info()).ran >= 9);
      assert.equal((await job.info()).ran, 9);
    },
  },

  "of two processes one samples what waits, once a minute": {
    store: true,
    needs: ["durable", "exactCount"],
    uses: ["pause"],
    processes: true,
    timeoutMs: 90_000,
    async run({ task, child, until }) {
      const job = task({ params }, (_value: unknown, _ms?: number) => {});
      await job.pause();
      await job.pushMany(each(6));
      const children = await Promise.all([child({ clockMs: -60_000 }), child({ clockMs: -60_000 })]);
      const samples = async () => (await job.stats()).flatMap(({ ready }) => ready ?? []);
      await until("there is a sample", async () => (await samples()).length >= 1);
      await Promise.all(children.map((one) => one.call("clock", 0)));
      await until("there is one of the next minute", async () => (await samples()).length >= 2);
      await Promise.all(children.map((one) => one.call("shutdown", { grace: 5_000 }))); // whoever would sample too has done so
      assert.ok(
        (await samples()).every((ready) => ready === 6),
        `6 wait; sampled: ${await samples()}`,
      );
      await job.clear();
    },
  },
});
