/** Slow cases: crashes and long runs at the library's own lease, as users have them. */
import assert from "node:assert/strict";
import { cases } from "./case.ts";
import type { Child } from "./child-process.ts";
import type { Context } from "./context.ts";
import { range, sorted } from "./track.ts";
import { working } from "./until.ts";

const params = ["value", "ms?"];
/** What is promised at defaults. */
const redeliveredMs = 30_000;

function publisherOf({ task }: Context) {
  return task({ params, rpc: true }, (_value: unknown, _ms?: number) => {});
}

/** The one of these processes that runs the message; fails when it does not start in time. */
async function holderOf(context: Context, children: readonly Child[], ms: number): Promise<Child> {
  const holding = () => children.find((child) => child.seen("start").length > 0);
  await context.until(`one of ${children.length} processes runs it`, holding, ms);
  return holding() as Child;
}

const options = { params: { concurrency: 1, rpc: true } } as const;

export const slow = cases({
  "an old worker beside a new one: what only the new version takes is done by it, and nothing is dead": {
    feature: "retry",
    needs: ["durable"],
    processes: true,
    timeoutMs: 180_000,
    async run(context) {
      const n = context.many(100);
      const job = context.task({ params: ["value", "ms"], rpc: true }, (_value: unknown, _ms: number) => {});
      const shared = { concurrency: 5, prefetch: 0, maxRetries: 0 };
      const old = await context.child({ params: { ...shared, params: ["value"] } });
      await job.pushMany(range(n).map((i) => [i, 1]));
      // Where counts come late it has met them meanwhile.
      if (!context.features.exactCount) await working(5_000);
      else await context.until("the old version has met them", async () => (await job.counts()).delayed > 0);
      const young = await context.child({ params: { ...shared, params: ["value", "ms"] } });
      await context.until("each has met some", () => young.seen("end").length >= n / 2, 60_000);
      await old.kill(); // the deploy is over
      await context.until("the new version has done all", () => young.seen("end").length >= n, 90_000);
      const values = young.seen("start").map(({ value }) => value as number);
      const attempts = new Set(young.seen("start").map(({ attempt }) => attempt));
      assert.deepEqual([sorted(values), [...attempts], old.seen("start")], [range(n), [1], []]);
      assert.equal(await job.deadLetters.count(), 0);
    },
  },

  "at defaults the message of a killed process runs elsewhere within 30 s, twice, with the same attempt": {
    needs: ["redelivers", "durable"],
    processes: true,
    timeoutMs: 120_000,
    async run(context) {
      const [one, two] = await Promise.all([context.child(options), context.child(options)]);
      const handle = await publisherOf(context).push("survives", 600_000);
      const first = await holderOf(context, [one, two], context.patienceMs);
      await first.kill();
      const second = await holderOf(context, [first === one ? two : one], redeliveredMs);
      const last = await context.child({ ...options, behaviour: "brief" });
      await second.kill();
      await holderOf(context, [last], redeliveredMs);
      const record = await handle.waitRecord({ timeout: context.patienceMs });
      const attempts = [first, second, last].map((child) => child.seen("start").map(({ attempt }) => attempt));
      assert.deepEqual(
        [attempts, record.status, record.result, record.attempts],
        [[[1], [1], [1]], "done", "survives", 1],
      );
    },
  },

  "at defaults a run of four leases runs once while another process looks on, and its result arrives": {
    needs: ["durable"],
    processes: true,
    timeoutMs: 120_000,
    async run(context) {
      const ms = context.leaseMs * 4;
      const children = await Promise.all([context.child(options), context.child(options)]);
      const handle = await publisherOf(context).push("slow", ms);
      assert.equal(await handle.waitResult({ timeout: ms + context.patienceMs }), "slow");
      await context.holds(
        "it does not run again",
        () => children.flatMap((child) => child.seen("start")).length === 1,
        1_000,
      );
      await context.until("the queue is empty", async () => (await publisherOf(context).count()) === 0);
    },
  },
});
