/** Results and errors: what a waiter gets, wherever the task ran. */
import assert from "node:assert/strict";
import { fct, type WaitTimeoutError } from "../../src/index.ts";
import { cases } from "./case.ts";
import { each, range } from "./track.ts";
import { gate, rejection } from "./until.ts";

export const results = cases({
  "waitResult gives the value as it was returned": {
    feature: "results",
    async run({ task, consume, patienceMs }) {
      const values: unknown[] = [null, 0, "", false, [], {}, "ü 🎬", 1.5, [1, [2, { three: null }]]];
      const job = task({ rpc: true }, (n: number) => values[n]);
      await consume(job);
      const handles = await job.pushMany(each(values.length));
      assert.deepEqual(await Promise.all(handles.map((handle) => handle.waitResult({ timeout: patienceMs }))), values);
    },
  },

  async "a task that returns nothing gives undefined"({ task, consume, patienceMs }) {
    const job = task({ rpc: true }, async () => {});
    await consume(job);
    assert.equal(await (await job.push()).waitResult({ timeout: patienceMs }), undefined);
  },

  async "a result of 300 kB arrives whole"({ task, consume, patienceMs }) {
    const job = task({ rpc: true }, (n: number) => "é🎬x".repeat(n));
    await consume(job);
    assert.equal(await (await job.push(50_000)).waitResult({ timeout: patienceMs }), "é🎬x".repeat(50_000));
  },

  async "a result waits for a late reader, for many, and for a handle made from the id"({
    task,
    consume,
    patienceMs,
    until,
  }) {
    const job = task({ rpc: true }, (n: number) => n * 2);
    await consume(job);
    const handle = await job.push(21);
    await until("the record is there", async () => (await handle.record()) !== undefined);
    const other = job.handle(handle.id);
    const all = await Promise.all([
      ...range(20).map(() => handle.waitResult({ timeout: patienceMs })),
      other.waitResult({ timeout: patienceMs }),
    ]);
    assert.deepEqual(all, Array(21).fill(42));
  },

  async "waitResult without rpc rejects at once and says what to set"({ task }) {
    const job = task({}, () => 1);
    const error = await rejection((await job.push()).waitResult());
    assert.equal(error.code, "NO_RESULT");
    assert.match(error.message, /rpc: true/);
  },

  async "rpc of one message is enough for its waiter"({ task, consume, patienceMs }) {
    const job = task({}, () => 5);
    await consume(job);
    assert.equal(await (await job.publish([], { rpc: true })).waitResult({ timeout: patienceMs }), 5);
  },

  async "a wait that times out ends, the task goes on"({ task, consume, patienceMs }) {
    const door = gate();
    const job = task({ rpc: true }, async () => {
      await door.opened;
      return "late";
    });
    await consume(job);
    const handle = await job.push();
    const error = (await rejection(handle.waitResult({ timeout: 60 }))) as unknown as WaitTimeoutError;
    assert.deepEqual([error.name, error.code], ["WaitTimeoutError", "WAIT_TIMEOUT"]);
    door.open();
    assert.equal(await handle.waitResult({ timeout: patienceMs }), "late");
  },

  async "aborting ends the wait, never the task"({ task, consume, patienceMs }) {
    const door = gate();
    const job = task({ rpc: true }, async () => {
      await door.opened;
      return fct.signal?.aborted;
    });
    await consume(job);
    const handle = await job.push();
    const stop = new AbortController();
    const waiting = rejection(handle.waitResult({ signal: stop.signal }));
    stop.abort(new Error("enough"));
    assert.equal((await waiting).message, "enough");
    door.open();
    assert.equal(await handle.waitResult({ timeout: patienceMs }), false);
  },
});
