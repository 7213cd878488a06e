/** Results and errors: what a waiter gets, wherever the task ran. */
import assert from "node:assert/strict";
import { asCompleted, fct, type WaitTimeoutError, waitAll } from "../../src/index.ts";
import { cases } from "./case.ts";
import { each, range } from "./track.ts";
import { gate, rejection, working } from "./until.ts";

/** Longer than it takes until an id counts as unknown. */
const longerMs = 2_600;

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

  "what clear() removed is said to be cleared, to all who wait; what runs is not": {
    needs: ["ids"],
    uses: ["delay"],
    async run({ task, consume, until, patienceMs }) {
      const door = gate();
      let ran = 0;
      const job = task({ rpc: true }, async () => {
        ran++;
        await door.opened;
        return "done";
      });
      const consumer = await consume(job);
      const running = await job.push();
      await until("it runs", () => ran === 1);
      consumer.pause();
      const [waiting, later] = [await job.push(), await job.publish([], { delay: "1h" })];
      const wait = { timeout: patienceMs };
      const goesOn = running.waitResult(wait);
      goesOn.catch(() => {});
      const heard = [
        waiting.waitResult(wait),
        later.waitResult(wait),
        job.handle(later.id).waitResult(wait),
        waitAll([waiting, later], wait),
      ].map(rejection);
      await until("it is known to wait", async () => (await later.state()) === "delayed");
      await working(100);
      await job.clear();
      const afterwards = rejection(waiting.waitResult(wait));
      for (const error of await Promise.all([...heard, afterwards]))
        assert.deepEqual([error.name, error.code, error.status], ["TaskError", "CLEARED", "cancelled"]);
      const record = await waiting.waitRecord(wait);
      assert.deepEqual([record.status, (record.error as { code?: string }).code], ["cancelled", "CLEARED"]);
      for await (const each of asCompleted([later], wait))
        assert.equal("error" in each && (each.error as { code?: string }).code, "CLEARED");
      const next = await job.push();
      consumer.resume();
      door.open();
      assert.deepEqual([await goesOn, await next.waitResult(wait)], ["done", "done"]);
    },
  },

  "a result that is not kept, or no longer, is said to be gone": {
    needs: ["ids"],
    async run({ task, consume, until, features, patienceMs }) {
      let ran = 0;
      const job = task({ rpc: { ttl: 50 } }, () => ++ran);
      await consume(job);
      const wait = { timeout: patienceMs };
      const handles = [
        await job.publish([], { rpc: false, taskId: "unasked" }),
        await job.publish([], { taskId: "short" }),
        await job.push(),
      ];
      await until("all have run", async () => ran === 3 && (await job.count()) === 0);
      if (features.results) return; // an engine keeps them as long as it likes
      for (const handle of handles)
        await until("its result is not kept", async () => (await handle.record()) === undefined);
      const all = [job.handle("unasked"), job.handle("short"), ...handles.slice(1)];
      for (const error of await Promise.all(all.map((handle) => rejection(handle.waitResult(wait)))))
        assert.deepEqual([error.code], ["NO_RESULT"]);
    },
  },

  "an id that nobody knows is said to be unknown, unless its waiter waits for its publish": {
    needs: ["ids"],
    async run({ task, consume, patienceMs, holds }) {
      const job = task({ rpc: true }, () => "done");
      await consume(job);
      const wait = { timeout: patienceMs };
      let over = false;
      const patient = job.handle("to-come").waitResult({ ...wait, unknown: "wait" });
      patient.catch(() => {}).finally(() => (over = true));
      const error = await rejection(job.handle("nobody").waitResult(wait));
      assert.equal(error.code, "UNKNOWN_TASK");
      assert.equal((await rejection(job.handle("nobody").waitRecord(wait))).code, "UNKNOWN_TASK");
      await holds("it is waited for", () => !over, 500);
      await job.publish([], { taskId: "to-come" });
      assert.equal(await patient, "done");
    },
  },

  "who knows only the id waits for what waits, is delayed, runs or is retried": {
    needs: ["ids"],
    uses: ["delay", "retry"],
    async run({ task, consume, until, patienceMs, holds }) {
      const door = gate();
      const backoff = { type: "fixed", base: longerMs, jitter: false } as const;
      const started: string[] = [];
      const job = task({ rpc: true, concurrency: 2, backoff }, async (what: string) => {
        started.push(what);
        if (what === "retried" && fct.attempt === 1) throw new Error("the first attempt fails");
        if (what === "runs") await door.opened;
        return what;
      });
      const handles = [
        await job.publish(["delayed"], { delay: longerMs }),
        await job.push("runs"),
        await job.push("retried"),
      ];
      const consumer = await consume(job);
      await until("two have started", () => started.length === 2);
      consumer.pause();
      handles.push(await job.push("waits"));
      let ended = 0;
      const results = handles.map(({ id }) => job.handle(id).waitResult({ timeout: 2 * patienceMs }));
      for (const result of results) result.catch(() => {}).finally(() => ended++);
      await holds("all of them wait", () => ended === 0, longerMs);
      consumer.resume();
      door.open();
      assert.deepEqual(await Promise.all(results), ["delayed", "runs", "retried", "waits"]);
    },
  },
});
