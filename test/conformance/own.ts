/** Behaviour of one's own, the same on each engine: middleware, schemas, pools, a changed broker, queues made at run time. */
import assert from "node:assert/strict";
import { boost, concurrencyPool, fct, getOrCreate, type Schema, wrapBroker } from "../../src/index.ts";
import { cases } from "./case.ts";
import { each, range, track } from "./track.ts";
import { gate, rejection, working } from "./until.ts";

/** Texts become numbers; what is not above 0 does not fit. */
const positive: Schema = {
  "~standard": {
    version: 1,
    vendor: "kit",
    validate: (value) => (Number(value) > 0 ? { value: Number(value) } : { issues: [{ message: "must be positive" }] }),
  },
};

/** Lists of a text and a number, of which 3 is meant where it is left out; the text becomes a Date. */
const dated: Schema = {
  "~standard": {
    version: 1,
    vendor: "kit",
    validate(value) {
      if (!Array.isArray(value)) return { issues: [{ message: "must be a list" }] };
      const at = new Date(value[0]);
      return at.getTime() > 0 ? { value: [at, value[1] ?? 3] } : { issues: [{ message: "must be a date", path: [0] }] };
    },
  },
};

export const own = cases({
  async "use stands around each run, retries too, and may change the result"({ task, consume, patienceMs }) {
    const seen: string[] = [];
    const job = task(
      {
        rpc: true,
        maxRetries: 1,
        backoff: 0,
        use: [
          async (run, next) => {
            seen.push(`${run.attempt} ${run.taskId === fct.taskId}`);
            return `${await next()}, seen`;
          },
        ],
      },
      (name: string) => {
        if (fct.attempt === 1) throw new Error("no");
        return name;
      },
    );
    await consume(job);
    assert.equal(await (await job.push("a")).waitResult({ timeout: patienceMs }), "a, seen");
    assert.deepEqual(seen, ["1 true", "2 true"]);
  },

  async "a middleware that never calls on fails the run, which says so"({ task, consume, patienceMs }) {
    let runs = 0;
    const job = task({ rpc: true, maxRetries: 0, use: [() => {}] }, () => ++runs);
    await consume(job);
    const error = await rejection((await job.push()).waitResult({ timeout: patienceMs }));
    assert.match((error.cause as Error).message, /use\[0\] answered nothing and did not call next\(\)/);
    assert.equal(runs, 0);
  },

  async "usePublish changes what is sent, and refuses by throwing"({ task, consume, until, patienceMs }) {
    const job = task(
      {
        rpc: true,
        usePublish: [
          (outgoing, next) => {
            if (outgoing.args[0] === "no") throw new RangeError("refused");
            return next({ args: [`${outgoing.args[0]}!`], options: { ...outgoing.options, headers: { by: "kit" } } });
          },
        ],
      },
      (text: string) => `${text} by ${fct.headers.by}`,
    );
    await assert.rejects(async () => job.push("no"), RangeError);
    await consume(job);
    const handles = [await job.push("a"), ...(await job.pushMany([["b"]]))];
    assert.deepEqual(await Promise.all(handles.map((handle) => handle.waitResult({ timeout: patienceMs }))), [
      "a! by kit",
      "b! by kit",
    ]);
    await until("nothing waits", async () => (await job.count()) === 0);
  },

  async "input refuses before anything is sent, and what others sent goes to the dead letters"({
    task,
    consume,
    until,
    patienceMs,
  }) {
    const seen: unknown[] = [];
    const job = task({ params: ["n"], rpc: true, maxRetries: 3, input: positive, output: positive }, (n: number) => {
      seen.push(n);
      return n - 1;
    });
    assert.equal((await rejection(job.push(-1))).code, "BAD_ARGS");
    await consume(job);
    const good = await job.publishRaw({ n: "2" });
    const bad = await job.publishRaw({ n: "x" });
    assert.equal((await job.handle(good.id).waitRecord({ timeout: patienceMs })).result, 1);
    assert.equal((await job.handle(bad.id).waitRecord({ timeout: patienceMs })).status, "dead");
    await until("it is among the dead letters", async () => (await job.deadLetters.count()) === 1);
    const wrong = await (await job.push(1)).waitRecord({ timeout: patienceMs }); // 0 does not fit the output
    assert.deepEqual(
      [wrong.status, wrong.attempts, wrong.error?.message],
      ["failed", 1, "bad output: must be positive"],
    );
    assert.deepEqual(seen, [2, 1]);
  },

  "input: what was given travels, and each run gets what the schema makes of it": {
    engine: false,
    async run({ task, consume, patienceMs }) {
      const seen: unknown[] = [];
      const job = task({ rpc: true, maxRetries: 1, backoff: 0, input: dated }, (at: unknown, n?: number) => {
        seen.push([at instanceof Date, n, fct.args]);
        if (fct.attempt === 1) throw new Error("again");
        return (at as Date).toISOString();
      });
      await consume(job);
      const noon = "2026-11-30T12:00:00.000Z";
      const run = await job.push(noon); // the end of the list is left out
      assert.equal(await run.waitResult({ timeout: patienceMs }), noon);
      assert.deepEqual(seen, [
        [true, 3, [noon]],
        [true, 3, [noon]],
      ]);
      assert.match((await rejection(job.push("never"))).message, /bad input: 0: must be a date/);
      const sent = await rejection(job.push(new Date(noon) as never)); // the schema takes it, JSON does not
      assert.equal(sent.code, "BAD_ARGS");
    },
  },

  "tasks of one pool that wait for each other do not stop each other": {
    timeoutMs: 90_000,
    async run({ task, consume, queue, until, patienceMs }) {
      const pool = concurrencyPool(1);
      const seen = track<number>();
      const wait = { timeout: 3 * patienceMs };
      const leaf = task({ queue: `${queue}c`, pool, rpc: true }, (n: number) =>
        seen.run(n, () => working(5).then(() => n)),
      );
      const middle = task(
        { queue: `${queue}b`, pool, rpc: true },
        async (n: number) => (await (await leaf.push(n)).waitResult(wait)) + 1,
      );
      const top = task(
        { queue: `${queue}a`, pool, rpc: true },
        async (n: number) => (await (await middle.push(n)).waitResult(wait)) + 1,
      );
      for (const job of [leaf, middle, top]) await consume(job);
      const handles = await top.pushMany(each(4));
      assert.deepEqual(
        await Promise.all(handles.map((handle) => handle.waitResult(wait))),
        range(4).map((n) => n + 2),
      );
      assert.equal(seen.peak, 1);
      await until("the place is free", () => pool.used === 0); // a waiter hears of the end a moment before
    },
  },

  async "a pool is never exceeded, and all its tasks go on"({ task, consume, queue, until, many }) {
    const pool = concurrencyPool(2);
    const n = many(20);
    const all = track<string>();
    const door = gate();
    const [first, second] = ["a", "b"].map((name) =>
      task({ queue: `${queue}${name}`, pool, concurrency: 10 }, () =>
        all.run(name, () => door.opened.then(() => working(5))),
      ),
    );
    if (!first || !second) throw new Error("two tasks");
    for (const job of [first, second]) await job.pushMany(Array.from({ length: n }, () => [] as []));
    for (const job of [first, second]) await consume(job);
    await until("both places are taken", () => all.running >= 2); // of runs as short as these a slow engine never has two at once
    door.open();
    await until("all have ended", () => all.ended.length === 2 * n);
    assert.equal(all.peak, 2);
    assert.equal(all.ended.filter((name) => name === "a").length, n);
  },

  async "wrapBroker changes one call and leaves the others"({ broker, queue, consume, patienceMs }) {
    const sent: string[] = [];
    const loud = wrapBroker(broker, (inner, name) => ({
      publish(messages) {
        sent.push(...messages.map(() => name));
        return inner.publish(messages);
      },
    }));
    const job = boost({ queue, broker: loud, rpc: true }, (n: number) => n + 1);
    await consume(job);
    assert.equal(await (await job.push(1)).waitResult({ timeout: patienceMs }), 2);
    assert.equal(await job.count(), 0);
    assert.ok(sent.length === 1 && sent[0]?.startsWith(queue), `${sent}`);
  },

  async "getOrCreate makes one task for each queue name of the moment"({
    broker,
    queue,
    consume,
    until,
    many,
    patienceMs,
  }) {
    const seen: string[] = [];
    const greet = (name: string) => {
      seen.push(`${fct.queue} ${name}`);
      return name;
    };
    const on = (i: number) => getOrCreate({ queue: `${queue}-${i}`, broker, rpc: true }, greet);
    const tasks = range(many(12)).map(on);
    assert.equal(on(1), tasks[1]);
    const handles = await Promise.all(tasks.map((each, i) => each.push(`n${i}`)));
    const [first, second] = tasks;
    if (!first || !second) throw new Error("two tasks");
    await consume(first);
    await consume(second);
    assert.deepEqual(
      await Promise.all(handles.slice(0, 2).map((handle) => handle.waitResult({ timeout: patienceMs }))),
      ["n0", "n1"],
    );
    assert.deepEqual(seen.sort(), [`${queue}-0 n0`, `${queue}-1 n1`]);
    await until("the others wait", async () => ((await tasks[2]?.count()) ?? 1) === 1);
    for (const each of tasks) await each.clear();
  },
});
