/** Guarantees when processes die: what is lost with them comes again, and nothing else does. */
import assert from "node:assert/strict";
import { fct } from "../../src/index.ts";
import { cases } from "./case.ts";
import type { Child } from "./child-process.ts";
import type { Context } from "./context.ts";
import { each, range, track } from "./track.ts";
import { working } from "./until.ts";

const params = ["value", "ms?"];

/** A task of this process on the queue that the children work on. */
function publisherOf({ task }: Context, more: Record<string, unknown> = {}) {
  return task({ params, ...more }, (_value: unknown, _ms?: number) => {});
}

const values = (child: Child, kind: "start" | "end") => child.seen(kind).map(({ value }) => value as number);

/** Keeps a child alive: whenever it has died, another takes its place. Answers all of them. */
export function respawning(
  context: Context,
  options: Parameters<Context["child"]>[0],
): { readonly children: Child[]; stop(): Promise<void> } {
  const children: Child[] = [];
  let stopped = false;
  const loop = (async () => {
    while (!stopped) {
      const child = await context.child(options);
      children.push(child);
      if (stopped) await child.kill(); // the case failed while it started
      await child.exited;
    }
  })();
  const stop = async () => {
    stopped = true;
    await children.at(-1)?.kill();
    await loop;
  };
  context.defer(stop);
  return { children, stop };
}

export const guarantees = cases({
  "a run whose process is killed is delivered again with the same attempt": {
    needs: ["redelivers"],
    processes: true,
    async run(context) {
      const job = publisherOf(context, { rpc: true });
      const handle = await job.push("work", 60_000);
      const first = await context.child({ params: { concurrency: 1 } });
      await context.until("it runs", () => first.seen("start").length === 1);
      await first.kill();
      const again: unknown[] = [];

      const second = context.task({ params, rpc: true }, (value: unknown, _ms?: number) => {
        again.push([value, fct.attempt, fct.taskId]);
        return "survived";
      });
      await context.consume(second);
      assert.equal(await handle.waitResult({ timeout: context.patienceMs }), "survived");
      assert.deepEqual(again, [["work", 1, handle.id]]);
    },
  },

  "a lost delivery counts as one crash": {
    needs: ["redelivers"],
    processes: true,
    async run(context) {
      const job = publisherOf(context);
      await job.push("work", 60_000);
      const first = await context.child({ params: { concurrency: 1 } });
      await context.until("it runs", () => first.seen("start").length === 1);
      await first.kill();
      const queue = await context.open();
      const seen: { attempt: number; crashes: number }[] = [];
      const consumer = await queue.consume(
        async ({ attempt, crashes = 0 }) => {
          seen.push({ attempt, crashes });
          return { outcome: "done" };
        },
        { signal: false, onSettled: () => {}, onError: () => {} },
      );
      context.defer(() => consumer.close({ force: true }));
      consumer.setWindow(1);
      const rescue = setInterval(
        () => void queue.maintain?.(new AbortController().signal).catch(() => {}),
        context.leaseMs / 4,
      );
      context.defer(() => clearInterval(rescue));
      await context.until("it is delivered again", () => seen.length === 1);
      assert.deepEqual([seen[0]?.crashes, context.features.retry ? seen[0]?.attempt : 1], [1, 1]);
    },
  },

  "a kill does not use up a retry": {
    needs: ["redelivers"],
    processes: true,
    async run(context) {
      const job = publisherOf(context, { rpc: true });
      const handle = await job.push("poison-free", 60_000);
      const first = await context.child({ params: { concurrency: 1, maxRetries: 1 } });
      await context.until("it runs", () => first.seen("start").length === 1);
      await first.kill();
      let runs = 0;
      const second = context.task({ params, rpc: true, maxRetries: 1, backoff: 0 }, (_value: unknown, _ms?: number) => {
        if (++runs === 1) throw new Error("the one retry is still to come");
        return runs;
      });
      await context.consume(second);
      assert.equal(await handle.waitResult({ timeout: context.patienceMs }), 2);
    },
  },

  "five kills while a hundred messages run lose nothing": {
    needs: ["redelivers", "durable"],
    processes: true,
    timeoutMs: 60_000,
    async run(context) {
      const job = publisherOf(context);
      await job.pushMany(range(100).map((n) => [n, 20]));
      const { children, stop } = respawning(context, { params: { concurrency: 10 } });
      for (const kills of range(5)) {
        await context.until(
          `child ${kills + 1} works`,
          () => (children[kills]?.seen("end").length ?? 0) >= 5 || ended(children).size === 100,
        );
        await children[kills]?.kill();
      }
      await context.until("all hundred have ended", () => ended(children).size === 100, context.patienceMs * 2);
      await context.until("the queue is empty", async () => (await job.count()) === 0);
      await stop();
    },
  },

  "the engine's connections are cut while tasks run: nothing is lost, and all goes on by itself": {
    needs: ["durable"],
    disrupts: true,
    alone: true,
    timeoutMs: 60_000,
    async run(context) {
      const seen = track<number>();
      const job = context.task({ rpc: true, concurrency: 5, backoff: 0 }, (n: number) =>
        seen.run(n, () => working(10)),
      );
      const handles = await job.pushMany(each(200));
      const results = Promise.all(handles.map((handle) => handle.waitResult({ timeout: context.patienceMs * 3 })));
      await context.consume(job);
      for (const n of [20, 60, 100]) {
        await context.until(`${n} have started`, () => seen.started.length >= n, context.patienceMs);
        await context.disrupt();
      }
      await context.until("all have ended", () => new Set(seen.ended).size === 200, context.patienceMs * 2);
      await results;
      await context.until("the queue is empty", async () => (await job.count()) === 0);
      await job.push(200);
      await context.until("what is published later arrives", () => seen.ended.includes(200));
    },
  },

  "the broker is closed while tasks run: nothing hangs, and their messages are delivered again": {
    needs: ["redelivers", "durable"],
    processes: true,
    async run(context) {
      const job = publisherOf(context);
      await job.pushMany(range(6).map((n) => [n, 300]));
      const other = await context.child({ params: { concurrency: 2 } });
      await context.until("two run", () => other.seen("start").length >= 2);
      await other.call("closeBroker");
      await other.call("shutdown");
      const before = other.seen("end").length;
      assert.ok(before <= 6);
      const seen = track<unknown>();
      await context.consume(context.task({ params }, (value: unknown, _ms?: number) => seen.run(value)));
      const all = () => new Set([...values(other, "end"), ...seen.ended]);
      await context.until("all six have ended", () => all().size === 6);
      await context.until("the queue is empty", async () => (await job.count()) === 0);
    },
  },
});

function ended(children: readonly Child[]): Set<unknown> {
  return new Set(children.flatMap((child) => values(child, "end")));
}
