/** Guarantees between processes that live: who holds a message, for how long, by whose clock. */
import assert from "node:assert/strict";
import { cases } from "./case.ts";
import type { Child } from "./child-process.ts";
import type { Context } from "./context.ts";
import { doubles, range, sorted, track } from "./track.ts";
import { gate, within } from "./until.ts";

const params = ["value", "ms?"];

/** A task of this process on the queue that the children work on. */
function publisherOf({ task }: Context, more: Record<string, unknown> = {}) {
  return task({ params, ...more }, (_value: unknown, _ms?: number) => {});
}

const values = (child: Child, kind: "start" | "end") => child.seen(kind).map(({ value }) => value as number);

export const sharing = cases({
  "messages survive the end of the process that published them": {
    needs: ["durable"],
    processes: true,
    async run(context) {
      const other = await context.child({ consume: false });
      await other.call(
        "pushMany",
        range(50).map((n) => [n]),
      );
      await other.kill();
      const seen = track<unknown>();
      const job = context.task({ params }, (value: unknown, _ms?: number) => seen.run(value));
      await context.until("fifty wait", async () => (await job.counts()).ready === 50);
      await context.consume(job);
      await context.until("all are handled", () => seen.ended.length >= 50);
      assert.deepEqual(sorted(seen.started as number[]), range(50));
    },
  },

  async "a slow run that lives is not delivered again"(context) {
    const seen = track<number>();
    const job = context.task({ concurrency: 2 }, (n: number) => seen.run(n, () => (n === 0 ? door.opened : undefined)));
    const door = gate();
    await context.consume(job);
    await job.push(0);
    await job.push(1);
    await context.holds(
      "it runs once, for three leases",
      () => seen.started.filter((n) => n === 0).length <= 1,
      context.leaseMs * 3,
    );
    door.open();
    await context.until("it has ended", () => seen.ended.length === 2);
    await context.until("the queue is empty", async () => (await job.count()) === 0);
    assert.deepEqual(sorted(seen.started), [0, 1]);
  },

  "a slow run that lives is not taken by another process": {
    needs: ["durable"],
    processes: true,
    async run(context) {
      const job = publisherOf(context);
      const [one, two] = await Promise.all([context.child(), context.child()]);
      await job.pushMany([
        ["a", context.leaseMs * 3],
        ["b", context.leaseMs * 3],
      ]);
      await context.until("both have ended", () => values(one, "end").length + values(two, "end").length === 2);
      assert.deepEqual([...values(one, "start"), ...values(two, "start")].sort(), ["a", "b"]);
    },
  },

  "a run that blocked its process past the lease gives its slot back once": {
    needs: ["redelivers", "durable"],
    processes: true,
    timeoutMs: 60_000,
    async run(context) {
      const job = publisherOf(context);
      // A rescue gives its holder time, and a busy machine takes some.
      await job.push("blocks", Math.max(8_000, context.leaseMs * 4));
      const blocked = await context.child({ behaviour: "block", params: { concurrency: 1 } });
      await context.until("it blocks", () => blocked.seen("start").length === 1);
      const seen = track<unknown>();
      const rescuer = context.task({ params }, (value: unknown, _ms?: number) => seen.run(value));
      const consumer = await context.consume(rescuer);
      await context.until("another process took it", () => seen.ended.length >= 1);
      await consumer.close();
      await context.until("the blocked run has ended", () => blocked.seen("end").length === 1);
      await job.pushMany(range(12).map((n) => [n, 20]));
      await context.until("twelve more have run", () => blocked.seen("end").length >= 13);
      let running = 0;
      for (const { kind } of blocked.reports.filter(({ kind }) => kind === "start" || kind === "end")) {
        running += kind === "start" ? 1 : -1;
        assert.ok(running <= 1, `${running} ran at once at concurrency 1`);
      }
    },
  },

  "two processes share a queue without doubles": {
    needs: ["durable"],
    processes: true,
    async run(context) {
      const job = publisherOf(context);
      const [one, two] = await Promise.all([
        context.child({ params: { concurrency: 10 } }),
        context.child({ params: { concurrency: 10 } }),
      ]);
      await job.pushMany(range(400).map((n) => [n, 2]));
      await context.until("all have ended", () => values(one, "end").length + values(two, "end").length >= 400);
      await context.until("the queue is empty", async () => (await job.count()) === 0);
      const all = [...values(one, "start"), ...values(two, "start")];
      assert.deepEqual([doubles(all), sorted(all)], [[], range(400)]);
      assert.ok(values(one, "end").length > 0 && values(two, "end").length > 0, "one process took all");
    },
  },

  "a result crosses from one process to another": {
    needs: ["durable"],
    processes: true,
    async run(context) {
      const job = publisherOf(context, { rpc: true });
      await context.child({ params: { rpc: true } });
      const handles = await job.pushMany(range(20).map((n) => [{ n }, 1]));
      const results = await Promise.all(handles.map((handle) => handle.waitResult({ timeout: context.patienceMs })));
      assert.deepEqual(
        results,
        range(20).map((n) => ({ n })),
      );
      assert.notEqual((await handles[0]?.record())?.pid, process.pid);
    },
  },

  "the clock goes back a minute: nothing stops, no lease is stolen, nothing runs early": {
    processes: true,
    async run(context) {
      const { leaseMs, earlyMs, features } = context;
      const options = { params: { concurrency: 10, qps: 200 } }; // a rate that follows the wall clock would wait a minute
      const one = await context.child(options);
      const two = features.redelivers && features.durable ? await context.child(options) : undefined;
      const all = (kind: "start" | "end") => [one, two].flatMap((child) => (child ? values(child, kind) : []));
      await one.call("push", "long", leaseMs * 3);
      await context.until("the long one runs", () => all("start").length === 1);
      const before = performance.now();
      await one.call("publish", ["delayed before", 0], { delay: 700 });
      await two?.call("clock", -60_000);
      await one.call("clock", -60_000);
      const after = performance.now();
      await one.call("publish", ["delayed after", 0], { delay: 500 });
      for (const n of range(5)) await one.call("push", `plain ${n}`, 0);
      const wanted = ["delayed after", ...range(5).map((n) => `plain ${n}`)];
      await context.until("the plain and the delayed one have ended", () => {
        const early = (
          [
            ["delayed before", before + 700],
            ["delayed after", after + 500],
          ] as const
        ).find(([name, due]) => all("start").includes(name as never) && performance.now() < due - earlyMs);
        assert.equal(early, undefined, `${early?.[0]} ran early`);
        return wanted.every((name) => all("end").includes(name as never));
      });
      await context.until("the long one has ended", () => all("end").includes("long" as never));
      assert.deepEqual(doubles(all("start")), [], "something was stolen");
    },
  },

  "maintenance beside running work neither doubles nor loses": {
    async run(context) {
      const seen = track<number>();
      const job = context.task({ concurrency: 10 }, (n: number) =>
        seen.run(n, () => new Promise((resolve) => setTimeout(resolve, n % 5))),
      );
      const queue = await context.open();
      const signal = new AbortController().signal;
      const busy = setInterval(() => void queue.maintain?.(signal).catch(() => {}), 3);
      context.defer(() => clearInterval(busy));
      await context.consume(job);
      await job.pushMany(range(300).map((n): [number] => [n]));
      await context.until("all are handled", () => seen.ended.length >= 300);
      await context.until("the queue is empty", async () => (await job.count()) === 0);
      assert.deepEqual(sorted(seen.started), range(300));
    },
  },

  "a broker can be closed and made again over the same messages": {
    needs: ["durable"],
    async run(context) {
      const first = await context.another();
      const spec = { queue: `${context.queue}-again`, options: {}, leaseMs: context.leaseMs };
      const queue = await first.open(spec);
      await queue.publish(range(10).map((n) => ({ body: { n, extra: {} } })));
      await within("close resolves", first.close(), context.patienceMs);
      await within("close twice is fine", first.close(), context.patienceMs);
      const second = await context.open(spec.queue);
      const seen: unknown[] = [];
      const consumer = await second.consume(
        async ({ body }) => {
          seen.push(body);
          return { outcome: "done" };
        },
        { signal: false, onSettled: () => {}, onError: () => {} },
      );
      consumer.setWindow(10);
      await context.until("all ten are there", () => seen.length === 10);
      await consumer.close();
    },
  },
});
