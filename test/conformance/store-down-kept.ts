/** What is kept in the store while it is down: rows, filter keys, progress. */
import assert from "node:assert/strict";
import { fct } from "../../src/index.ts";
import { both, type Down, lookMs } from "./outage.ts";
import { doubles, each, range, sorted, track } from "./track.ts";
import { gate, rejection } from "./until.ts";

/** False: the second one ran, but only after the claim of the first, of which two leases are held, had run out. */
async function endsLate(
  { task, consume, until, holds, off, on, log, queue, leaseMs, patienceMs }: Down,
  n: number,
): Promise<boolean> {
  const door = gate();
  const at: number[] = [];
  const seen = track<number>();
  const job = task({ queue: `${queue}-${n}`, filter: true, concurrency: 2, prefetch: 0, log }, () => {
    at.push(performance.now());
    return seen.run(n, () => door.opened);
  });
  const consumer = await consume(job);
  const pushedAt = performance.now();
  await job.push();
  await until("it runs", () => seen.running === 1);
  await off();
  door.open();
  const equal = await job.publish([], { rpc: true });
  await until("it has ended", () => seen.ended.length === 1);
  const waited = await holds("its equal does not start", () => seen.started.length === 1, lookMs).then(
    () => true,
    () => false,
  );
  await on();
  await equal.waitRecord({ timeout: patienceMs });
  await until("nothing is held", () => consumer.status().held === 0);
  const starts = seen.started.length;
  await holds("none comes again", () => seen.started.length === starts, leaseMs + lookMs);
  if (waited && seen.started.length === 1) return true;
  assert.ok((at[1] ?? 0) - pushedAt >= 2 * leaseMs, "its equal ran too");
  return false;
}

export const storeDownKept = both(
  {
    async "rows are written when it is back, one for each task"({
      task,
      consume,
      until,
      holds,
      off,
      on,
      log,
      leaseMs,
    }) {
      const door = gate();
      const seen = track<number>();
      const job = task({ record: true, concurrency: 2, prefetch: 0, log }, (n: number) =>
        seen.run(n, () => door.opened),
      );
      await job.pushMany(each(6));
      const consumer = await consume(job);
      await until("two run", () => seen.running === 2);
      await off();
      door.open();
      await until("the two have ended", () => seen.ended.length === 2);
      await holds("the others wait", () => seen.started.length === 2, lookMs);
      await on();
      await until("there are six rows", async () => (await job.records()).length === 6);
      assert.ok((await job.records()).every(({ status }) => status === "done"));
      await until("nothing is held", () => consumer.status().held === 0);
      await holds("none comes again", () => seen.started.length === 6, leaseMs + lookMs);
      assert.deepEqual(doubles(seen.started), []);
    },

    async "a filter starts nothing, and of equal messages one runs afterwards"({
      task,
      consume,
      until,
      holds,
      off,
      on,
      log,
      how,
      leaseMs,
      patienceMs,
    }) {
      const seen = track<number>();
      const job = task({ filter: true, concurrency: 2, prefetch: 0, log }, (n: number) => seen.run(n));
      const consumer = await consume(job);
      await off();
      const handles = await job.publishMany([1, 1, 2, 2, 1].map((n) => ({ args: [n] as [number], rpc: true })));
      await job.pushMany([[1], [2]]); // equal ones that nobody waits for
      if (how === "fails") await until("nothing is held", () => consumer.status().held === 0);
      await holds("nothing starts", () => seen.started.length === 0 && consumer.status().held <= 2, lookMs);
      await on();
      await Promise.all(handles.map((handle) => handle.waitRecord({ timeout: patienceMs })));
      await until("nothing is held", () => consumer.status().held === 0);
      await holds("none comes again", () => seen.started.length === 2, leaseMs + lookMs);
      assert.deepEqual(sorted(seen.started), [1, 2]);
    },

    async "what a filter has let run is not run again when its end is written late"(down) {
      // Where the machine takes longer than a claim is held, nothing is proven, and another try begins.
      for (let n = 1; !(await endsLate(down, n)); n++);
    },

    async "what a filter cannot claim is not published, not even later"({
      task,
      consume,
      until,
      holds,
      storeSwitch,
      how,
    }) {
      const seen = track<number>();
      const job = task({ filter: { when: "published", ttl: "1h" }, publishTimeout: "8s" }, (n: number) => seen.run(n));
      await job.features(); // opens it
      storeSwitch.off(how);
      const error = await rejection(job.push(1));
      assert.deepEqual([error.code, error.accepted], ["PUBLISH_FAILED", []]);
      storeSwitch.on();
      await consume(job);
      await holds("nothing is delivered", () => seen.started.length === 0, lookMs);
      assert.equal((await job.push(1)).existing, false);
      await until("it has run", () => seen.ended.length === 1);
      assert.equal((await job.push(1)).existing, true);
    },

    async "progress does not hold the task, and is seen again afterwards"({ task, consume, until, off, on, log, how }) {
      const door = gate();
      let told = 0;
      const job = task({ log }, async () => {
        await door.opened;
        for (const value of range(how === "fails" ? 30 : 2)) await fct.progress(value);
        told++;
      });
      await consume(job);
      await job.push();
      await off();
      door.open();
      await until("it went on", () => told === 1);
      await on();
      const handle = await job.push();
      await until("the last value is kept", async () => (await handle.progress()) === (how === "fails" ? 29 : 1));
    },
  },
  { engine: false },
);
