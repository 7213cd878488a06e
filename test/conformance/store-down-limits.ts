/** Limits and locks while the store is down: none is exceeded, none is lost. */
import assert from "node:assert/strict";
import { fct, withLock } from "../../src/index.ts";
import { both, lookMs } from "./outage.ts";
import { each, track } from "./track.ts";
import { gate, rejection, working } from "./until.ts";

export const storeDownLimits = both(
  {
    async "a global qps starts nothing, and is not exceeded afterwards"({ task, consume, until, holds, off, on, log }) {
      const at: number[] = [];
      const job = task(
        { qps: 20, qpsScope: "global", concurrency: 10, log },
        (_n: number) => void at.push(performance.now()),
      );
      await job.pushMany(each(70));
      await consume(job);
      await until("some have started", () => at.length >= 3);
      await off();
      await working(300); // for what was reserved: a quarter of a second ahead
      const before = at.length;
      await holds("nothing starts", () => at.length === before, lookMs);
      await on();
      await until("more start", () => at.length >= before + 30);
      const perSecond = at.map((from) => at.filter((each) => each >= from && each < from + 1_000).length);
      assert.ok(Math.max(...perSecond) <= 22, `${Math.max(...perSecond)} started within a second`);
    },

    async "a live limit keeps its last value, and can be changed afterwards"({
      task,
      consume,
      until,
      holds,
      off,
      on,
      log,
    }) {
      const door = gate();
      const seen = track<number>();
      let brief = true;
      const job = task({ concurrency: 4, prefetch: 0, log }, (n: number) =>
        seen.run(n, () => (brief ? working(50) : door.opened)),
      );
      await job.setConcurrency(1);
      await consume(job);
      await job.pushMany(each(100));
      await until("two have started", () => seen.started.length >= 2);
      await off();
      const before = seen.started.length;
      await holds("one at a time", () => seen.peak === 1, lookMs);
      await until("they went on", () => seen.started.length > before);
      await on();
      brief = false;
      await job.setConcurrency(3);
      await until("three run at once", () => seen.running === 3);
      door.open();
    },

    async "slowDown holds here, and does not fail the task"({ task, consume, until, storeSwitch, how, log }) {
      const at: number[] = [];
      let slowed = 0;
      const job = task({ qps: 50, qpsScope: "global", concurrency: 1, prefetch: 0, log }, async (_n: number) => {
        at.push(performance.now());
        if (at.length > 1) return;
        storeSwitch.off(how);
        await fct.slowDown(2_500);
        slowed = performance.now();
      });
      await consume(job);
      await job.pushMany(each(3));
      await until("the first has ended", () => slowed > 0);
      storeSwitch.on();
      await until("all have started", () => at.length === 3);
      assert.ok(slowed - (at[0] ?? 0) < 8_000, `it held the task for ${slowed - (at[0] ?? 0)} ms`);
      assert.ok((at[1] ?? 0) - (at[0] ?? 0) >= 2_400, `after ${(at[1] ?? 0) - (at[0] ?? 0)} ms`);
    },

    async "a lock is held by one, lost at its ttl, and free afterwards"({ broker, queue, until, storeSwitch, how }) {
      let lost = false;
      await withLock(queue, { ttl: 600, broker }, async (signal) => {
        assert.equal((await rejection(withLock(queue, { broker, wait: 0 }, () => {}))).code, "LOCKED");
        storeSwitch.off(how);
        await until("it is lost", () => signal.aborted);
        lost = true;
      }).catch(() => {}); // its work has ended, its release could not be told
      storeSwitch.on();
      const isFree = () =>
        withLock(queue, { ttl: 600, broker, wait: 0 }, () => lost).catch((error: Error & { code?: string }) =>
          assert.equal(error.code, "LOCKED"),
        );
      await until("it is free", isFree);
    },
  },
  { engine: false },
);
