/** Slow cases: crashes and long runs at the library's own lease, as users have them. */
import assert from "node:assert/strict";
import { cases } from "./case.ts";
import type { Child } from "./child-process.ts";
import type { Context } from "./context.ts";

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
