/** Jobs: several tasks on one queue, told apart by their names, under one worker. */
import assert from "node:assert/strict";
import { adopt, fct, getTask, type JobFacts, publisher, type TaskParams } from "../../src/index.ts";
import { cases } from "./case.ts";
import type { Context } from "./context.ts";
import { range, track } from "./track.ts";
import { gate, rejection, working } from "./until.ts";

type Params = Omit<TaskParams, "queue" | "broker" | "job">;

/** Two tasks with arguments alike; both note who ran, and with what. */
function pair({ task }: Context, params: Params = {}) {
  const seen: string[] = [];
  const make = (job: string) =>
    task({ rpc: true, maxRetries: 0, ...params, job }, (from: string, to: string) => {
      seen.push(`${job} ${from} ${to}`);
      return `${job} ${from}`;
    });
  return { follow: make("follow"), unfollow: make("unfollow"), seen };
}

/** Publishes under a name that no task of this process has. */
function outsider({ broker, queue }: Context, job: string) {
  return publisher<(from: string) => string>({ queue, broker, job, rpc: true });
}

export const jobs = cases({
  async "each message of a queue goes to the task whose job it bears"(context) {
    const { follow, unfollow, seen } = pair(context);
    const { consume, patienceMs } = context;
    const before = [await follow.push("ada", "bob"), await unfollow.push("ada", "bob")];
    await consume(follow);
    await consume(unfollow);
    const after = [
      ...(await unfollow.pushMany([["cyd", "bob"]])),
      await follow.publish(["dan", "bob"], { delay: 50 }),
      await follow.publishRaw({ from: "eve", to: "bob", extra: { order: ["from", "to"] } }),
    ];
    const results = await Promise.all([...before, ...after].map((each) => each.waitResult({ timeout: patienceMs })));
    assert.deepEqual(results, ["follow ada", "unfollow ada", "unfollow cyd", "follow dan", "follow eve"]);
    assert.equal(seen.length, 5);
  },

  async "the tasks of a queue share one concurrency"(context) {
    const { task, consume, until } = context;
    const seen = track<string>();
    const make = (job: string) =>
      task({ job, concurrency: 2 }, (n: number) => seen.run(`${job} ${n}`, () => working(50)));
    const [follow, unfollow] = [make("follow"), make("unfollow")];
    const lists = range(6).map((n) => [n] as [number]);
    await Promise.all([follow.pushMany(lists), unfollow.pushMany(lists)]);
    await consume(follow);
    await consume(unfollow);
    await until("all have run", () => new Set(seen.ended).size === 12);
    assert.ok(seen.peak <= 2, `${seen.peak} at once`);
  },

  "the tasks of a queue share one qps": {
    engine: false,
    async run({ task, consume, until }) {
      const starts: number[] = [];
      const make = (job: string) => task({ job, qps: 20 }, (_n: number) => void starts.push(performance.now()));
      const [follow, unfollow] = [make("follow"), make("unfollow")];
      const lists = range(5).map((n) => [n] as [number]);
      await Promise.all([follow.pushMany(lists), unfollow.pushMany(lists)]);
      await consume(unfollow);
      await consume(follow);
      await until("all have started", () => starts.length === 10);
      const ms = (starts.at(-1) as number) - (starts[0] as number);
      assert.ok(ms > 400, `ten starts at 20 a second within ${ms} ms`); // 450, and what a late timer may take
    },
  },

  async "consuming one task of a queue runs what comes for the others that are defined"(context) {
    const { follow, unfollow } = pair(context);
    const { consume, patienceMs, task } = context;
    await consume(follow);
    const handle = await unfollow.push("ada", "bob");
    assert.equal(await handle.waitResult({ timeout: patienceMs }), "unfollow ada");
    const block = task({ job: "block", rpc: true }, (from: string) => `block ${from}`); // while it consumes
    assert.equal(await (await block.push("ada")).waitResult({ timeout: patienceMs }), "block ada");
  },

  async "a job that no task has is put off and stops nothing; the task that comes takes it"(context) {
    const { follow } = pair(context);
    const { consume, patienceMs, task } = context;
    const lost = await outsider(context, "mute").push("ada");
    await consume(follow);
    const others = await follow.pushMany(range(5).map((n) => [String(n), "bob"] as [string, string]));
    for (const each of others) await each.waitResult({ timeout: patienceMs });
    task({ job: "mute", rpc: true }, (from: string) => `mute ${from}`);
    assert.equal(await lost.waitResult({ timeout: patienceMs }), "mute ada");
  },

  async "a task without a job beside others takes what bears none"(context) {
    const { follow } = pair(context);
    const { consume, patienceMs, task } = context;
    const plain = task({ rpc: true }, (from: string) => `plain ${from}`);
    const handles = [await plain.push("ada"), await follow.push("ada", "bob")];
    await consume(plain);
    assert.deepEqual(await Promise.all(handles.map((each) => each.waitResult({ timeout: patienceMs }))), [
      "plain ada",
      "follow ada",
    ]);
  },

  async "a retried and a postponed run keep their job"(context) {
    const { task, consume, patienceMs } = context;
    const make = (job: string) =>
      task({ job, rpc: true, maxRetries: 1, backoff: 0 }, () => {
        if (fct.attempt === 1) throw new Error("once more");
        return `${job} ${fct.attempt}`;
      });
    const [follow, unfollow] = [make("follow"), make("unfollow")];
    await consume(follow);
    const handles = [await follow.push(), await unfollow.push()];
    assert.deepEqual(await Promise.all(handles.map((each) => each.waitResult({ timeout: patienceMs }))), [
      "follow 2",
      "unfollow 2",
    ]);
  },

  async "a dead letter keeps its job, and comes back under it"(context) {
    const { task, consume, patienceMs, until } = context;
    let broken = true;
    const seen: string[] = [];
    const make = (job: string) =>
      task({ job, rpc: true, maxRetries: 0, deadLetter: true }, (from: string) => {
        if (broken) throw new Error("down");
        seen.push(`${job} ${from}`);
      });
    const [follow, unfollow] = [make("follow"), make("unfollow")];
    await consume(follow);
    const handles = [await follow.push("ada"), await unfollow.push("ada")];
    for (const each of handles) await rejection(each.waitResult({ timeout: patienceMs }));
    await until("both are dead letters", async () => (await follow.deadLetters.count()) === 2);
    const letters = await follow.deadLetters.list();
    assert.deepEqual(letters.map(({ job }) => job).sort(), ["follow", "unfollow"]);
    broken = false;
    assert.equal(await unfollow.deadLetters.redrive(), 2);
    await until("both have run again", () => seen.length === 2);
    assert.deepEqual(seen.sort(), ["follow ada", "unfollow ada"]);
    assert.equal(await follow.deadLetters.count(), 0);
  },

  "a filter tells the tasks of a queue apart": {
    store: true,
    async run(context) {
      for (const when of ["done", "published"] as const) {
        const { follow, unfollow, seen } = pair(context, { filter: { when } });
        const { consume, patienceMs } = context;
        const consumer = await consume(follow);
        for (const task of [follow, unfollow, follow])
          await (await task.push(when, "bob")).waitResult({ timeout: patienceMs });
        assert.deepEqual(seen, [`follow ${when} bob`, `unfollow ${when} bob`]);
        await consumer.close();
      }
    },
  },

  "records and counts are those of the task": {
    store: true,
    async run(context) {
      const { follow, unfollow } = pair(context, { record: true });
      const { consume, patienceMs, until } = context;
      await consume(follow);
      const first = await follow.push("ada", "bob");
      for (const each of [first, await unfollow.push("ada", "bob"), await unfollow.push("cyd", "bob")])
        await each.waitResult({ timeout: patienceMs });
      assert.equal((await first.waitRecord({ timeout: patienceMs })).job, "follow");
      const rows = [...(await follow.records()), ...(await unfollow.records())];
      assert.deepEqual(
        rows.map(({ job }) => job),
        ["follow", "unfollow", "unfollow"],
      );
      const ran = async (task: typeof follow) => (await task.stats()).reduce((all, point) => all + point.ran, 0);
      await until("both are counted", async () => (await ran(follow)) === 1 && (await ran(unfollow)) === 2);
      await until("the queue's are", async () => (await follow.info()).ran === 3);
    },
  },

  async "an id is the queue's: it is published once, whatever its job"(context) {
    const { follow, unfollow, seen } = pair(context);
    const { consume, patienceMs } = context;
    const first = await follow.publish(["ada", "bob"], { taskId: "one" });
    const second = await unfollow.publish(["ada", "bob"], { taskId: "one" });
    assert.deepEqual([first.existing, second.existing], [false, true]);
    await consume(unfollow);
    assert.equal(await unfollow.handle("one").waitResult({ timeout: patienceMs }), "follow ada");
    assert.deepEqual(seen, ["follow ada bob"]);
  },

  "a queue's options are the same in all its tasks, or consuming is refused and names both": {
    engine: false,
    async run({ task, consume }) {
      const follow = task({ job: "follow", concurrency: 2 }, () => {});
      const unfollow = task({ job: "unfollow", concurrency: 3 }, () => {});
      const error = await rejection(consume(follow));
      assert.equal(error.code, "BAD_OPTION");
      for (const part of [/"concurrency"/, /"follow" has 2/, /"unfollow" has 3/]) assert.match(error.message, part);
      assert.equal((await rejection(consume(unfollow))).code, "BAD_OPTION");
    },
  },

  "a second function under a job that is consumed is refused and names both": {
    engine: false,
    async run({ task, consume, queue, patienceMs }) {
      const first = task({ job: "follow", rpc: true }, function one() {
        return 1;
      });
      await consume(first);
      const second = task({ job: "follow", rpc: true }, function two() {
        return 2;
      });
      const error = await rejection(consume(second));
      assert.equal(error.code, "TWO_CONSUMERS");
      for (const part of [/one/, /two/, /"follow"/, new RegExp(queue)]) assert.match(error.message, part);
      assert.equal(await (await first.push()).waitResult({ timeout: patienceMs }), 1);
    },
  },

  "closing the consumer of one task leaves that of the others, and the last ends it": {
    engine: false,
    async run(context) {
      const { follow, unfollow, seen } = pair(context);
      const { patienceMs, holds, queue } = context;
      const [first, second] = [await context.consume(follow), await context.consume(unfollow)];
      await first.close();
      assert.equal(await (await unfollow.push("ada", "bob")).waitResult({ timeout: patienceMs }), "unfollow ada");
      const opened = gate();
      const late = context.task({ job: "late" }, () => opened.opened);
      await late.push();
      const closing = second.close();
      opened.open();
      await closing;
      await follow.push("cyd", "bob");
      await holds("nothing runs any more", () => seen.length === 1, 200);
      assert.equal(getTask(queue), undefined);
    },
  },

  async "adopt() gives each job to the handler of its name, with its facts, and the rest to *"(context) {
    const { broker, queue, consume, until, task } = context;
    const seen: unknown[] = [];
    const seal = task({ job: "seal" }, (name: string, copies: number) => void seen.push(["seal", name, copies]));
    const note = (data: unknown, job: JobFacts) => {
      assert.equal(job.id, fct.taskId);
      const { name, attemptsMade, maxAttempts, isLastAttempt } = job;
      seen.push([name, data, job.data, attemptsMade, maxAttempts, isLastAttempt]);
      if (name === "mail" && !isLastAttempt) throw new Error("once more");
    };
    const shared = { queue, broker, concurrency: 1, maxRetries: 1, backoff: 0 } as const;
    await consume(adopt(shared, { mail: note, seal, "*": note }));
    const send = (job: string) => publisher<(data: object) => unknown>({ queue, broker, job, params: "object" });
    await send("mail").push({ to: "ada" });
    await until("it has run twice", () => seen.length === 2);
    await seal.push("a", 2);
    await until("the task has run", () => seen.length === 3);
    await send("other").publishRaw([1, 2]);
    await until("the rest has run", () => seen.length === 4);
    assert.deepEqual(seen, [
      ["mail", { to: "ada" }, { to: "ada" }, 0, 2, false],
      ["mail", { to: "ada" }, { to: "ada" }, 1, 2, true],
      ["seal", "a", 2],
      ["other", [1, 2], [1, 2], 0, 2, false],
    ]);
  },

  async "publishRaw() gives a task with a job what it gives one without"({ task, consume, until, queue }) {
    const bodies = ["line;of;csv", '{"n": 1}', "[1, 2]", "7", [1, [2]], { n: 1 }, 7, null];
    const seen = new Map<string, unknown[]>();
    for (const job of [undefined, "named"]) {
      const got: unknown[] = [];
      const params = { queue: `${queue}-${job ?? "bare"}`, concurrency: 1, ...(job === undefined ? {} : { job }) };
      const each = task({ ...params, convert: (raw) => [raw] }, (raw: unknown) => void got.push(raw));
      await consume(each);
      for (const [i, body] of bodies.entries()) {
        await each.publishRaw(body);
        await until("it has run", () => got.length > i); // not all engines keep an order
      }
      seen.set(job ?? "bare", got);
    }
    assert.deepEqual(seen.get("named"), seen.get("bare"));
    const bound: unknown[] = [];
    const other = task({ queue: `${queue}-bound`, job: "named", params: ["n"] }, (n: number) => void bound.push(n));
    await consume(other);
    for (const body of ['{"n":1}', { n: 2 }, { n: 3, extra: {} }]) await other.publishRaw(body);
    await until("all have run", () => bound.length === 3);
    assert.deepEqual(bound.sort(), [1, 2, 3]);
  },

  async "adopt() fails, completes or leaves a job that no handler takes, and nothing else stops"(context) {
    const { broker, consume, patienceMs, task } = context;
    for (const unknown of ["fail", "complete", "leave"] as const) {
      const queue = `${context.queue}-${unknown}`;
      const params = { queue, concurrency: 1, rpc: true };
      await consume(adopt({ ...params, broker, unknown }, { known: ({ n }: { n: number }) => n + 1 }));
      const send = (job: string) =>
        publisher<(data: object) => unknown>({ queue, broker, job, rpc: true, params: "object" });
      const lost = await send("gone").push({ n: 1 });
      assert.equal(await (await send("known").push({ n: 1 })).waitResult({ timeout: patienceMs }), 2);
      if (unknown === "complete") assert.equal(await lost.waitResult({ timeout: patienceMs }), undefined);
      if (unknown === "fail") {
        const error = await rejection(lost.waitResult({ timeout: patienceMs }));
        assert.match(error.message, /"gone"/);
      }
      if (unknown !== "leave") continue;
      task({ ...params, job: "gone", adopt: true, params: "object" }, ({ n }: { n: number }) => n + 2);
      assert.equal(await lost.waitResult({ timeout: patienceMs }), 3);
    }
  },
});
