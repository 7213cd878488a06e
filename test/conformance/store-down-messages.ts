/** What messages, their ends and their engine are asked while the store is down. */
import assert from "node:assert/strict";
import { fct, RequeueError } from "../../src/index.ts";
import { both, lookMs } from "./outage.ts";
import { doubles, each, range, track } from "./track.ts";
import { gate, rejection, working } from "./until.ts";

const isEmpty = async ({ count }: { count(): Promise<number> }) => (await count()) === 0;

export const storeDownMessages = both({
  async "results are kept until it is back, their tasks run once, and no more are fetched than there are slots"(down) {
    const { task, consume, until, holds, off, on, log, features, patienceMs } = down;
    const door = gate();
    const seen = track<number>();
    const job = task({ rpc: true, concurrency: 3, prefetch: 0, log }, (n: number) =>
      seen.run(n, () => door.opened.then(() => n * 2)),
    );
    const handles = await job.pushMany(each(8));
    await consume(job);
    await until("three run", () => seen.running === 3);
    await off();
    let answered = 0;
    const results = Promise.all(
      handles.map((handle) => handle.waitResult({ timeout: patienceMs }).finally(() => answered++)),
    );
    results.catch(() => {}); // looked at below
    door.open();
    await until("the three have ended", () => seen.ended.length >= 3);
    if (!features.results) await holds("the others wait", () => seen.started.length === 3 && answered === 0, lookMs);
    const late = await job.push(8);
    await on();
    assert.deepEqual(
      await results,
      range(8).map((n) => n * 2),
    );
    assert.equal(await late.waitResult({ timeout: patienceMs }), 16);
    assert.deepEqual(doubles(seen.started), []);
  },

  "a pause holds on": {
    feature: "pause",
    async run({ task, consume, until, holds, off, on, log }) {
      const seen = track<number>();
      const job = task({ log }, (n: number) => seen.run(n));
      await job.pause();
      await consume(job);
      await job.pushMany(each(3));
      await off();
      await holds("nothing starts", () => seen.started.length === 0, lookMs);
      await on();
      await holds("nothing starts afterwards", () => seen.started.length === 0, lookMs);
      await job.resume();
      await until("all have ended", () => seen.ended.length === 3);
    },
  },

  async "a cancel is refused or comes through, never half"({ task, consume, until, off, on, log, patienceMs }) {
    const seen = track<number>();
    const job = task({ rpc: true, backoff: 0, log }, (n: number) =>
      seen.run(
        n,
        () =>
          new Promise((_, reject) =>
            fct.signal?.addEventListener("abort", () => reject(fct.signal?.reason), { once: true }),
          ),
      ),
    );
    await consume(job);
    const handle = await job.push(1);
    await until("it runs", () => seen.running === 1);
    await off();
    const attempt = handle.cancel().catch(() => false);
    await on();
    if (!(await attempt)) assert.equal(await handle.cancel(), true);
    const error = await rejection(handle.waitResult({ timeout: patienceMs }));
    assert.deepEqual([error.code, seen.started.length], ["CANCELLED", 1]);
  },

  "what is delayed comes when it is back, once": {
    feature: "delay",
    async run({ task, consume, until, holds, off, on, log }) {
      const seen = track<number>();
      const job = task({ log }, (n: number) => seen.run(n));
      await consume(job);
      await job.publishMany(range(5).map((n) => ({ args: [n], delay: 1_000 + 20 * n })));
      await off();
      const accepted = job.publish([5], { delay: 50 }).then(
        () => 1,
        () => 0,
      );
      await working(lookMs);
      await on();
      const expected = 5 + (await accepted);
      await until("all have ended", () => seen.ended.length === expected);
      await holds("none comes again", () => seen.started.length === expected, lookMs);
    },
  },

  async "a retry comes when it is back, with its attempt"({ task, consume, until, off, on, log }) {
    const attempts: (number | undefined)[] = [];
    const door = gate();
    const job = task({ maxRetries: 2, backoff: { type: "fixed", base: 100 }, log }, async () => {
      attempts.push(fct.attempt);
      await door.opened;
      if (attempts.length < 3) throw new Error("not yet");
    });
    await consume(job);
    await job.push();
    await until("it runs", () => attempts.length === 1);
    await off();
    door.open();
    await working(lookMs);
    await on();
    await until("it was tried three times", () => attempts.length >= 3);
    await until("the queue is empty", () => isEmpty(job));
    assert.deepEqual(attempts, [1, 2, 3]);
  },

  async "a requeue is counted when it is back"({ task, consume, until, off, on, log }) {
    const door = gate();
    let runs = 0;
    const job = task({ maxRequeues: 1, log }, async () => {
      runs++;
      await door.opened;
      throw new RequeueError({ after: 10 });
    });
    await consume(job);
    await job.push();
    await until("it runs", () => runs === 1);
    await off();
    door.open();
    await working(lookMs);
    await on();
    await until("it is a dead letter", async () => (await job.deadLetters.count()) === 1);
    assert.equal(runs, 2);
  },

  async "a dead letter and its redrive lose nothing"({ task, consume, until, off, on, log, patienceMs, defer }) {
    const door = gate();
    let runs = 0;
    const job = task({ rpc: true, deadLetter: true, maxRetries: 0, log }, async () => {
      if (++runs > 1) return "saved";
      await door.opened;
      throw new Error("no");
    });
    defer(() => job.clear());
    await consume(job);
    const handle = await job.push();
    await until("it runs", () => runs === 1);
    await off();
    door.open();
    await working(lookMs);
    await on();
    assert.equal((await handle.waitRecord({ timeout: patienceMs })).status, "dead");
    assert.equal(await job.deadLetters.count(), 1);
    await off();
    const first = job.deadLetters.redrive().catch(() => 0);
    await working(lookMs);
    await on();
    if ((await first) === 0) await until("it is moved", async () => (await job.deadLetters.redrive()) === 1);
    await until("it has run again", () => runs >= 2);
    await until("no dead letter is left", async () => (await job.deadLetters.count()) === 0);
    assert.equal(runs, 2);
  },

  async "what needs no store goes on at its own qps, and is counted afterwards"({
    task,
    consume,
    until,
    off,
    on,
    log,
    how,
  }) {
    const seen = track<number>();
    const job = task({ qps: 100, log }, (n: number) => seen.run(n));
    await consume(job);
    await job.info();
    await off();
    await job.pushMany(each(5));
    await until("all have run", () => seen.ended.length === 5);
    if (how === "fails") assert.equal((await rejection(job.info())).code, "BROKER_DOWN");
    await on();
    await until("they are counted", async () => (await job.info()).ran === 5);
  },

  "a known id stays known": {
    feature: "ids",
    async run({ task, consume, until, storeSwitch, how }) {
      const seen = track<number>();
      const job = task({ rpc: true }, (n: number) => seen.run(n));
      const publish = () => job.publish([1], { taskId: "known" }).then(({ existing }) => existing);
      assert.equal(await publish(), false);
      storeSwitch.off(how);
      const meanwhile = publish().catch(() => true);
      await working(50);
      storeSwitch.on();
      assert.deepEqual([await meanwhile, await publish()], [true, true]);
      await consume(job);
      await until("it has run", () => seen.ended.length > 0);
      await until("the queue is empty", () => isEmpty(job));
      assert.equal(seen.started.length, 1);
    },
  },
});
