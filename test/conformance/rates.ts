/** How fast runs start: several limits at once, a hold after a 429 and live changes in all processes, and what is refused. */
import assert from "node:assert/strict";
import { fct, type TaskParams } from "../../src/index.ts";
import { cases } from "./case.ts";
import { each } from "./track.ts";
import { rejection, working } from "./until.ts";

const params = ["value", "ms?"];
/** In which a live change is in force; `lateMs` allows for a busy machine. */
const soonMs = 1_000;
/** In any time of so long, but for a tenth: between the limiter's clock and the function's lies what a busy machine takes. */
function busiest(times: readonly number[], wholeMs: number): number {
  const ms = 0.9 * wholeMs;
  return Math.max(...times.map((from) => times.filter((time) => time >= from && time < from + ms).length));
}

const refused: readonly unknown[] = [
  0,
  -1,
  Number.NaN,
  "5",
  [],
  [3, 5],
  { count: 0, per: "1m" },
  { count: 5, per: 0 },
  { count: 5 },
  [3, { per: "1m" }],
];

export const rates = cases({
  "several limits hold at once": {
    engine: false,
    async run({ task, consume, until }) {
      const starts: number[] = [];
      const job = task(
        { qps: [40, { count: 5, per: "1s" }, { count: 8, per: "3s" }] },
        (_n: number) => void starts.push(performance.now()),
      );
      await job.pushMany(each(18));
      await consume(job);
      await until("all have started", () => starts.length === 18);
      assert.ok(busiest(starts, 1_000) <= 5, `${busiest(starts, 1_000)} in a second`);
      assert.ok(busiest(starts, 3_000) <= 8, `${busiest(starts, 3_000)} in three seconds`);
    },
  },

  "several limits hold at once over processes": {
    store: true,
    needs: ["durable"],
    processes: true,
    timeoutMs: 90_000,
    async run(context) {
      const qps = [40, { count: 5, per: "1s" }, { count: 8, per: "3s" }] as const;
      const starts: number[] = [];
      const job = context.task(
        { params, qps, qpsScope: "global" },
        (_value: unknown, _ms?: number) => void starts.push(performance.now()),
      );
      const other = await context.child({ behaviour: "brief", params: { qps, qpsScope: "global" } });
      await context.consume(job);
      const from = performance.now();
      await job.pushMany(each(18));
      const all = () => starts.length + other.seen("start").length;
      // What a busy machine starts too late for a cap is missing for all of its time.
      await context.until("all have started", () => all() === 18, 60_000);
      // 8 and 8 and 2: without the others' eight each process would be done within the first three seconds.
      assert.ok(performance.now() - from >= 5_900, `18 starts in ${Math.round(performance.now() - from)} ms`);
      assert.ok(busiest(starts, 1_000) <= 5 && busiest(starts, 3_000) <= 8);
    },
  },

  "slowDown with a global qps holds the starts of all processes": {
    engine: false,
    store: true,
    needs: ["durable"],
    processes: true,
    async run(context) {
      const options = { qps: 20, qpsScope: "global", concurrency: 2 } as const;
      const other = await context.child({ behaviour: "brief", params: options });
      let heldAt = 0;
      let here = 0;
      const job = context.task({ params, ...options }, async (_value: unknown, _ms?: number) => {
        here++;
        if (heldAt > 0 || other.seen("start").length === 0) return;
        heldAt = performance.now();
        await fct.slowDown("4s");
      });
      await context.consume(job);
      await job.pushMany(each(200));
      await context.until("one of them was told to slow down", () => heldAt > 0);
      await context.until("it is known", () => performance.now() >= heldAt + 1.5 * soonMs);
      const before = here + other.seen("start").length;
      await context.until("a second before its end", () => {
        const now = here + other.seen("start").length;
        assert.ok(
          now === before || performance.now() >= heldAt + 3_900,
          `${now - before} started while all should hold`,
        );
        return performance.now() >= heldAt + 3_000;
      });
      await context.until("they go on", () => here + other.seen("start").length > before + 10);
    },
  },

  "setQps is in force in another process, and can be taken back": {
    engine: false,
    store: true,
    needs: ["durable"],
    processes: true,
    async run(context) {
      const job = context.task({ params }, (_value: unknown, _ms?: number) => {});
      const other = await context.child({ behaviour: "brief", params: { qps: 0.02 } });
      await job.pushMany(each(300));
      const started = () => other.seen("start").length;
      await context.until("one has started", () => started() === 1);
      await job.setQps([50, { count: 40, per: "1h" }]);
      await context.until("it is faster", () => started() > 5, soonMs + context.lateMs);
      const capped = 1 + 40; // the first one was by the old limit
      await context.until("the cap is reached", () => started() === capped);
      await context.holds("the cap holds", () => started() === capped, 300);
      await job.setQps(100);
      await context.until("without the cap", () => started() > 60, soonMs + context.lateMs);
      await job.setQps(null);
      await context.until("the code's own limit is back", async () => {
        const before = started();
        await working(300);
        return started() <= before + 1;
      });
    },
  },

  async "a rate that cannot be is refused, with the value and what is allowed"({ task, broker }) {
    for (const qps of refused) {
      const error = await rejection(Promise.resolve().then(() => task({ qps } as TaskParams, () => {})));
      assert.equal(error.code, "BAD_OPTION", JSON.stringify(qps));
      assert.match(error.message, /qps/);
    }
    const job = task({ maxRetries: 0 }, () => {});
    for (const qps of refused)
      assert.match((await rejection(job.setQps(qps as number))).message, /qps/, JSON.stringify(qps));
    const all = task({ qps: 5, qpsScope: "global", maxRetries: 0 }, () => {});
    if (broker.store) return void (await all.features());
    const error = await rejection(all.features());
    assert.equal(error.code, "NEEDS_STORE");
    assert.match(error.message, /qpsScope.*configure\(\{ store/);
  },
});
