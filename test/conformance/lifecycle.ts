/** Lifecycle: opening, pausing, closing, and what stays behind. */
import assert from "node:assert/strict";
import { cases } from "./case.ts";
import { each, range, sorted, track } from "./track.ts";
import { gate, within } from "./until.ts";

/** After its last work: longer, and a timer or a socket holds the process. */
const endsMs = 2_000;

export const lifecycle = cases({
  async "close waits for what runs and flushes it"({ task, consume, until, holds, patienceMs }) {
    const door = gate();
    const seen = track<number>();
    const job = task({ concurrency: 3 }, (n: number) => seen.run(n, () => door.opened));
    await job.pushMany(each(3));
    const consumer = await consume(job);
    await until("three run", () => seen.running === 3);
    let closed = false;
    const closing = consumer.close().then(() => {
      closed = true;
    });
    await holds("close waits", () => !closed && seen.running === 3, 80);
    door.open();
    await within("close resolves", closing, patienceMs);
    assert.equal(seen.ended.length, 3);
    await consume(job);
    await job.push(99);
    await until("the queue is empty", async () => seen.ended.includes(99) && (await job.count()) === 0);
    assert.deepEqual(sorted(seen.started), [0, 1, 2, 99], "what was done before close came again");
  },

  async "what was fetched and not started is given back at close"({ task, consume, until }) {
    const door = gate();
    const seen = track<number>();
    const job = task({ concurrency: 1, prefetch: 10 }, (n: number) => seen.run(n, () => door.opened));
    await job.pushMany(each(12));
    const consumer = await consume(job);
    await until("one runs", () => seen.running === 1);
    const closing = consumer.close();
    await until("eleven wait again", async () => (await job.counts()).ready === 11);
    door.open();
    await closing;
    await consume(job);
    await until("all are handled", () => seen.ended.length >= 12);
    assert.deepEqual(sorted(seen.started), range(12));
  },

  async "close twice is fine"({ task, consume, patienceMs }) {
    const job = task({}, () => {});
    const consumer = await consume(job);
    await within("both resolve", Promise.all([consumer.close(), consumer.close()]), patienceMs);
    await within("and a third", consumer.close(), patienceMs);
  },

  async "no handler is called after close, and the queue can be consumed again"({ task, consume, until, holds }) {
    const seen = track<number>();
    const job = task({}, (n: number) => seen.run(n));
    const consumer = await consume(job);
    await job.push(0);
    await until("the first is handled", () => seen.ended.length === 1);
    await consumer.close();
    await job.pushMany([[1], [2], [3]]);
    await holds("nothing runs", () => seen.started.length === 1, 150);
    await consume(job);
    await until("all are handled", () => seen.ended.length >= 4);
    assert.deepEqual(sorted(seen.started), range(4));
  },

  "close does not wait longer than its grace, and what it left is delivered again": {
    needs: ["redelivers"],
    async run({ task, consume, until, patienceMs }) {
      const door = gate();
      const seen = track<number>();
      const job = task({ concurrency: 1 }, (n: number) =>
        seen.run(n, () => (seen.started.length === 1 ? door.opened : undefined)),
      );
      await job.push(7);
      const consumer = await consume(job);
      await until("it runs", () => seen.running === 1);
      await within("close resolves although the run has not ended", consumer.close({ grace: 100 }), 5_000);
      await consume(job);
      await until("it runs again", () => seen.started.length === 2, patienceMs);
      door.open();
      await until("both runs have ended", () => seen.ended.length === 2);
      await until("the queue is empty", async () => (await job.count()) === 0);
    },
  },

  async "pause() of a consumer holds this process, resume() goes on"({ task, consume, until, holds }) {
    const seen = track<number>();
    const job = task({ concurrency: 2 }, (n: number) => seen.run(n));
    const consumer = await consume(job);
    await job.push(0);
    await until("the first is handled", () => seen.ended.length === 1);
    consumer.pause();
    await job.pushMany([[1], [2], [3], [4]]);
    await holds("nothing starts", () => seen.started.length === 1, 150);
    await until("four wait", async () => (await job.counts()).ready === 4);
    consumer.resume();
    await until("all are handled", () => seen.ended.length >= 5);
    assert.deepEqual(sorted(seen.started), range(5));
  },

  "a paused queue starts nothing, and resume() goes on": {
    feature: "pause",
    async run({ task, consume, until, holds }) {
      const seen = track<number>();
      const job = task({ concurrency: 2 }, (n: number) => seen.run(n));
      await job.pause();
      assert.equal(await job.paused(), true);
      await job.pushMany([[0], [1], [2]]);
      await consume(job);
      await holds("nothing starts", () => seen.started.length === 0, 200);
      await job.resume();
      assert.equal(await job.paused(), false);
      await until("all are handled", () => seen.ended.length >= 3);
      assert.deepEqual(sorted(seen.started), range(3));
    },
  },

  "a pause also holds what was fetched and has not started": {
    feature: "pause",
    async run({ task, consume, until, holds }) {
      const door = gate();
      const seen = track<number>();
      const job = task({ concurrency: 1, prefetch: 10 }, (n: number) =>
        seen.run(n, () => (seen.started.length === 1 ? door.opened : undefined)),
      );
      await job.pushMany(each(8));
      const consumer = await consume(job);
      await until("the first runs", () => seen.running === 1);
      await job.pause();
      await until("the pause is in force here", () => consumer.status().paused);
      await until("the others wait again", async () => (await job.counts()).ready === 7, 3_000);
      door.open();
      await until("the first has ended", () => seen.ended.length === 1);
      await holds("nothing else starts", () => seen.started.length === 1, 200);
      await job.resume();
      await until("all are handled", () => seen.ended.length >= 8);
      assert.deepEqual(sorted(seen.started), range(8));
    },
  },

  "pause from another process is in force within a second": {
    feature: "pause",
    processes: true,
    needs: ["durable"],
    async run({ task, consume, until, holds, child }) {
      const seen = track<number>();
      const job = task({ params: ["value", "ms?"], concurrency: 2 }, (value: number, _ms?: number) => seen.run(value));
      const consumer = await consume(job);
      const other = await child({ consume: false });
      await other.call("pause");
      await until("this process knows of it", () => consumer.status().paused, 1_000);
      await job.pushMany([[1], [2], [3]]);
      await holds("nothing starts", () => seen.started.length === 0, 200);
      assert.equal(await job.paused(), true);
      await other.call("resume");
      await until("all are handled", () => seen.ended.length >= 3);
      await other.call("shutdown");
    },
  },

  "a queue stays paused when its process has gone": {
    feature: "pause",
    processes: true,
    needs: ["durable"],
    async run({ task, consume, until, holds, child }) {
      const seen = track<number>();
      const job = task({ params: ["value", "ms?"] }, (value: number, _ms?: number) => seen.run(value));
      const other = await child({ consume: false });
      await other.call("pause");
      await other.kill();
      await job.push(1);
      await consume(job);
      await holds("nothing starts", () => seen.started.length === 0, 200);
      await job.resume();
      await until("it is handled", () => seen.ended.length === 1);
    },
  },

  "a process that only publishes ends by itself": {
    processes: true,
    async run({ child }) {
      const other = await child({ consume: false });
      await other.call("push", 1);
      other.disconnect();
      assert.deepEqual(await within("the process exits", other.exited, endsMs), { code: 0, signal: null });
    },
  },

  "a process that was shut down may push and consume again": {
    processes: true,
    async run({ child, features, until }) {
      const other = await child({});
      await other.call("push", "first");
      await until("the first is done", () => other.seen("end").length === 1);
      await other.call("consumer.close");
      await other.call("push", "kept");
      for (const again of ["second", "third"]) {
        await other.call("shutdown");
        await other.call("push", again);
      }
      await other.call("consume");
      const wanted = features.durable ? ["first", "kept", "second", "third"] : ["first", "third"];
      const done = () => other.seen("end").map(({ value }) => value as string);
      await until("the others are done", () => wanted.every((value) => done().includes(value)));
      assert.equal(new Set(done()).size, done().length, "one ran twice");
    },
  },

  "a process that has closed its consumer ends by itself": {
    processes: true,
    async run({ child, until }) {
      const other = await child({});
      await other.call(
        "pushMany",
        range(20).map((n) => [n]),
      );
      await until("all are handled", () => other.seen("end").length === 20);
      await other.call("consumer.close");
      other.disconnect();
      assert.deepEqual(await within("the process exits", other.exited, endsMs), { code: 0, signal: null });
    },
  },

  "SIGTERM finishes what runs, gives back the rest and exits with 0": {
    processes: true,
    async run({ child, features, task, until, patienceMs }) {
      const other = await child({ signals: true, params: { concurrency: 2 } });
      await other.call(
        "pushMany",
        range(6).map((value) => [value, 800]),
      );
      await until("two run", () => other.seen("start").length === 2);
      other.signal("SIGTERM");
      const ended = await within("the process exits", other.exited, patienceMs);
      assert.deepEqual(ended, { code: 0, signal: null }, "a clean stop was told as a failure");
      assert.equal(other.seen("end").length, 2, "what ran was not finished");
      assert.equal(other.seen("start").length, 2, "more was started after the signal");
      const left = task({ params: ["value", "ms?"] }, (_value: number, _ms?: number) => {});
      if (features.durable) await until("four wait", async () => (await left.counts()).ready === 4);
    },
  },
});
