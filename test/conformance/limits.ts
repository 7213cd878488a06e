/** Limits: how many run at once, and how many start in a second. */
import assert from "node:assert/strict";
import { cases } from "./case.ts";
import { stopwatch } from "./machine.ts";
import { each, range, sorted, track } from "./track.ts";
import { gate, working } from "./until.ts";

/** The most starts within any second. */
function worstSecond(starts: readonly number[]): number {
  return Math.max(...starts.map((from) => starts.filter((at) => at >= from && at < from + 1000).length));
}

export const limits = cases({
  async "concurrency is reached and never exceeded"({ task, consume, until }) {
    const seen = track<number>();
    const full = gate();
    const job = task({ concurrency: 5 }, (n: number) => {
      if (seen.running === 4) full.open(); // the fifth: until then none ends, however slowly the engine delivers
      return seen.run(n, () => full.opened.then(() => working(2 + (n % 4) * 5)));
    });
    await job.pushMany(each(80));
    await consume(job);
    await until("all are handled", () => seen.ended.length >= 80);
    assert.equal(seen.peak, 5);
    assert.deepEqual(sorted(seen.started), range(80));
  },

  async "concurrency 1 runs one after another"({ task, consume, until }) {
    const seen = track<number>();
    const job = task({}, (n: number) => seen.run(n, () => working(3)));
    await job.pushMany(each(20));
    await consume(job, { concurrency: 1 });
    await until("all are handled", () => seen.ended.length >= 20);
    assert.equal(seen.peak, 1);
  },

  async "setConcurrency takes effect live, up and down"({ task, consume, until, holds }) {
    const doors = range(60).map(gate);
    const seen = track<number>();
    const job = task({ concurrency: 2 }, (n: number) => seen.run(n, () => doors[n]?.opened));
    await job.pushMany(each(60));
    const consumer = await consume(job);
    await until("two run", () => seen.running === 2);
    consumer.setConcurrency(8);
    await until("eight run although none has ended", () => seen.running === 8, 3_000);
    await holds("no more", () => seen.running === 8, 60);
    consumer.setConcurrency(3);
    for (const n of range(6)) doors[seen.started[n] ?? 0]?.open();
    await until("three run", () => seen.ended.length === 6 && seen.running === 3);
    await holds("no more than three", () => seen.running === 3, 100);
    for (const door of doors) door.open();
    await until("all are handled", () => seen.ended.length >= 60);
    assert.equal(seen.peak, 8);
  },

  "qps spaces starts evenly": {
    alone: true,
    async run({ task, consume, until }) {
      const starts: number[] = [];
      let read = () => 0;
      let ranMs = 0;
      const job = task({ qps: 25 }, () => {
        if (starts.push(performance.now()) === 1) read = stopwatch();
        if (starts.length === 40) ranMs = read();
      });
      await job.pushMany(range(40).map((): [] => []));
      await consume(job);
      await until("forty runs", () => starts.length >= 40);
      const took = (starts[39] ?? 0) - (starts[0] ?? 0);
      assert.ok(
        took >= 1_560 - 25 && ranMs < 4_000,
        `39 starts at 25/s took ${took} ms; its process was let run for ${ranMs} of them`,
      );
      assert.ok(worstSecond(starts) <= 25 * 1.02 + 1, `${worstSecond(starts)} starts in one second`);
    },
  },

  async "qps below one waits whole seconds"({ task, consume, until }) {
    const starts: number[] = [];
    const job = task({ qps: 0.8 }, () => void starts.push(performance.now()));
    await job.pushMany([[], []]);
    await consume(job);
    await until("two runs", () => starts.length >= 2);
    assert.ok((starts[1] ?? 0) - (starts[0] ?? 0) >= 1_250 - 25);
  },

  async "concurrency 500 with qps 5 does not hoard"({ task, consume, until, holds }) {
    const seen = track<number>();
    let first = 0;
    const job = task({ concurrency: 500, qps: 5 }, (n: number) => {
      first ||= performance.now();
      return seen.run(n);
    });
    await job.pushMany(each(200));
    await until("all are counted", async () => (await job.counts()).ready === 200); // some engines count late
    await consume(job);
    await until("the first have run", () => seen.started.length >= 2);
    await holds(
      "what has not started waits in the queue",
      async () => (await job.counts()).ready >= 200 - seen.started.length - 6,
      1_000,
    );
    const allowed = 2 + Math.floor((performance.now() - first) / 200);
    assert.ok(seen.started.length <= allowed, `${seen.started.length} started, ${allowed} were allowed`);
    await job.clear();
  },

  "two processes with concurrency 500 and qps 5 share, neither hoards": {
    needs: ["durable"],
    processes: true,
    async run({ task, child, until, holds }) {
      const job = task({ params: ["value", "ms?"] }, (_value: number, _ms?: number) => {});
      await job.pushMany(range(300).map((n) => [n]));
      await until("all are counted", async () => (await job.counts()).ready === 300);
      const params = { concurrency: 500, qps: 5 };
      const [one, two] = await Promise.all([child({ params }), child({ params })]);
      await until("both work", () => one.seen("start").length >= 2 && two.seen("start").length >= 2);
      const started = () => one.seen("start").length + two.seen("start").length;
      await holds(
        "what has not started waits in the queue",
        async () => (await job.counts()).ready >= 300 - started() - 14,
        1_000,
      );
      await Promise.all([one.call("consumer.close"), two.call("consumer.close")]);
      await until("all that did not run waits", async () => (await job.counts()).ready === 300 - started());
      await job.clear();
    },
  },
});
