/** Waiting inside a task: the slot is given back, and nothing deadlocks. */
import assert from "node:assert/strict";
import { type Handle, type Task, waitAll } from "../../src/index.ts";
import { cases } from "./case.ts";
import type { Context } from "./context.ts";
import { each, range, sorted, track } from "./track.ts";
import { gate, rejection, working } from "./until.ts";

type Level = Task<(level: number) => Promise<number>>;

/** Counts what really runs: a run that waits for another does not. */
function counter() {
  let running = 0;
  let peak = 0;
  return {
    enter: () => void (peak = Math.max(peak, ++running)),
    leave: () => void running--,
    async waiting<T>(wait: () => Promise<T>): Promise<T> {
      running--;
      try {
        return await wait();
      } finally {
        peak = Math.max(peak, ++running);
      }
    },
    get peak() {
      return peak;
    },
  };
}

/** Parents that each wait for a child on the same queue. */
async function parents(
  { task, consume, until, patienceMs }: Context,
  n: number,
  params: { concurrency: number; maxSuspended?: number },
): Promise<void> {
  const count = counter();
  const ended = new Set<number>();
  const job: Task<(n: number, child: boolean) => Promise<number>> = task(
    { rpc: true, ...params },
    async (n: number, child: boolean) => {
      count.enter();
      try {
        if (child) return n;
        const handle = await job.push(n, true);
        const value = await count.waiting(() => handle.waitResult({ timeout: patienceMs * 4 }));
        ended.add(value);
        return value;
      } finally {
        count.leave();
      }
    },
  );
  await job.pushMany(range(n).map((i) => [i, false]));
  await consume(job);
  await until(`${n} parents have their child's result`, () => ended.size === n, patienceMs * 4);
  await until("the queue is empty", async () => (await job.count()) === 0);
  assert.ok(count.peak <= params.concurrency, `${count.peak} ran at once`);
}

export const waiting = cases({
  async "a run waits for its child, three levels deep, at concurrency 1"({ task, consume, patienceMs }) {
    const count = counter();
    const job: Level = task({ rpc: true, concurrency: 1 }, async (level: number): Promise<number> => {
      count.enter();
      try {
        if (level === 3) return 1;
        const child = await job.push(level + 1);
        return 1 + (await count.waiting(() => child.waitResult({ timeout: patienceMs })));
      } finally {
        count.leave();
      }
    });
    await consume(job);
    const handles = await job.pushMany([[0], [0], [0]]);
    assert.deepEqual(await waitAll(handles, { timeout: patienceMs }), [4, 4, 4]);
    assert.equal(count.peak, 1);
  },

  async "the limit is not exceeded when many waits end at once"({ task, consume, patienceMs }) {
    const count = counter();
    const door = gate();
    const job: Task<(kind: string) => Promise<string>> = task({ rpc: true, concurrency: 3 }, async (kind: string) => {
      count.enter();
      try {
        if (kind === "child") return kind;
        const child = await job.push("child");
        await count.waiting(async () => {
          await door.opened;
          return child.waitResult({ timeout: patienceMs });
        });
        await working(10);
        return kind;
      } finally {
        count.leave();
      }
    });
    await consume(job);
    const handles = await job.pushMany(range(12).map(() => ["parent"]));
    door.open();
    await waitAll(handles, { timeout: patienceMs });
    assert.ok(count.peak <= 3, `${count.peak} ran at once`);
  },

  async "waitAll inside a run works at concurrency 1"({ task, consume, patienceMs }) {
    const job: Task<(n: number) => Promise<number>> = task(
      { rpc: true, concurrency: 1 },
      async (n: number): Promise<number> => {
        if (n < 10) return n;
        const all = await waitAll(await job.pushMany(each(5)), { timeout: patienceMs });
        return all.reduce((sum, value) => sum + value, 0);
      },
    );
    await consume(job);
    assert.equal(await (await job.push(10)).waitResult({ timeout: patienceMs }), 10);
  },

  async "a run that waits lets other messages through"({ task, consume, until, patienceMs, queue }) {
    const seen = track<string>();
    const door = gate();
    const slow = task({ queue: `${queue}-slow`, rpc: true }, () => door.opened);
    const job = task({ rpc: true, concurrency: 1 }, (name: string) =>
      seen.run(name, async () => {
        if (name === "waits") await (await slow.push()).waitResult({ timeout: patienceMs });
      }),
    );
    await consume(slow);
    await consume(job);
    const first = await job.push("waits");
    await until("it runs", () => seen.started.length === 1);
    await job.push("other");
    await until("the other has ended meanwhile", () => seen.ended.includes("other"));
    assert.deepEqual(seen.ended, ["other"]);
    door.open();
    await first.waitResult({ timeout: patienceMs });
  },

  async "a child's failure is its parent's to catch"({ task, consume, patienceMs }) {
    const job: Task<(kind: string) => Promise<string>> = task(
      { rpc: true, concurrency: 1, maxRetries: 0 },
      async (kind: string) => {
        if (kind === "child") throw new Error("the child failed");
        const error = await rejection((await job.push("child")).waitResult({ timeout: patienceMs }));
        return (error.cause as Error).message;
      },
    );
    await consume(job);
    assert.equal(await (await job.push("parent")).waitResult({ timeout: patienceMs }), "the child failed");
  },

  async "a wait that times out inside a run takes its slot back"({ task, consume, patienceMs, queue }) {
    const count = counter();
    const nobody = task({ queue: `${queue}-nobody`, rpc: true }, () => {});
    const job = task({ rpc: true, concurrency: 2 }, async () => {
      count.enter();
      const handle = await nobody.push();
      await count.waiting(() => rejection(handle.waitResult({ timeout: 50 })));
      await working(10);
      count.leave();
      return "went on";
    });
    await consume(job);
    const handles = await job.pushMany(range(8).map((): [] => []));
    assert.deepEqual(await waitAll(handles, { timeout: patienceMs }), Array(8).fill("went on"));
    assert.ok(count.peak <= 2, `${count.peak} ran at once`);
    await nobody.clear();
  },

  "a child goes before what waits": {
    feature: "ahead",
    async run({ task, consume, until, features }) {
      const seen: string[] = [];
      const job: Task<(name: string) => Promise<void>> = task({ concurrency: 1, prefetch: 0 }, async (name: string) => {
        seen.push(name);
        // The others take a while: where they took none, it would be the machine's speed that says how many run while the child is on its way.
        await (name === "parent" ? job.push("child") : working(50));
      });
      await job.pushMany([["parent"], ...range(20).map((n): [string] => [`other ${n}`])]);
      await consume(job);
      await until("all have run", () => seen.length === 22);
      // With one message fetched ahead of its time, one other may come before it; an engine without an order may have a few on their way.
      const between = seen.indexOf("child") - seen.indexOf("parent") - 1;
      assert.ok(between <= (features.ordered ? 1 : 5), `${between} of 20 ran between the parent and its child`);
    },
  },

  async "a chain over several queues, each at concurrency 1"({ task, consume, patienceMs, queue }) {
    const square = task({ queue: `${queue}-square`, rpc: true, concurrency: 1 }, (n: number) => n * n);
    const sum = task({ queue: `${queue}-sum`, rpc: true, concurrency: 1 }, async (list: number[]) => {
      const squares = await waitAll(await square.pushMany(list.map((n): [number] => [n])), { timeout: patienceMs });
      return squares.reduce((a, b) => a + b, 0);
    });
    const report = task(
      { rpc: true, concurrency: 1 },
      async (list: number[]) => `sum ${await (await sum.push(list)).waitResult({ timeout: patienceMs })}`,
    );
    for (const each of [square, sum, report]) await consume(each);
    const handles: Handle<string>[] = await report.pushMany([[[1, 2, 3]], [[4]], [[]]]);
    assert.deepEqual(
      sorted((await waitAll(handles, { timeout: patienceMs })).map((text) => Number(text.slice(4)))),
      [0, 14, 16],
    );
  },

  "thousands of parents wait for a child each on the same queue at concurrency 50": {
    alone: true,
    timeoutMs: 90_000,
    run: (context) => parents(context, context.many(3_000), { concurrency: 50 }),
  },

  "thousands of parents wait for a child each with maxSuspended 60": {
    alone: true,
    timeoutMs: 90_000,
    run: (context) => parents(context, context.many(3_000), { concurrency: 50, maxSuspended: 60 }),
  },
});
