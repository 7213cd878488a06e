/** BullMQ at its best settings. */
import { AsyncLocalStorage } from "node:async_hooks";
import { Queue, Worker } from "bullmq";
import type { TaskParams } from "funboost";
import { bullmq } from "funboost/adapters/bullmq";
import type { EngineBench, Side } from "../engine.ts";
import { goals } from "../report.ts";
import { bodyOf } from "../work.ts";
import { concurrency, ourSide } from "./ours.ts";

const goal = goals.ratioAbove(0.95);
const bares = ["bare", "again"];
/** Jobs with ids that their producer gave. */
const withIds = ["ids", "ids again"];

export const bullmqBench: EngineBench = {
  broker: "bullmq",
  jobs: 10_000,
  lanes: 100,
  bulk: 500,
  rounds: [["publish"], ["bulk"], ["consume"]],
  consumeFrom: "first",
  comparisons: [
    { label: "bare against bare", side: "again", against: ["bare"] },
    { label: "bare beside an AsyncLocalStorage", side: "context", against: bares },
    { label: "", side: "ours", against: bares, goals: { publish: goal, bulk: goal, consume: goal } },
    { label: "rpc", side: "rpc", against: bares },
    { label: "done jobs kept", side: "kept", against: bares },
    { label: "jobs of others", side: "adopted", against: withIds, goals: { consume: goal } },
  ],
  only: { context: ["consume"], kept: ["consume"], ids: ["consume"], "ids again": ["consume"], adopted: ["consume"] },
  open(side, url, name) {
    // What any AsyncLocalStorage in use costs BullMQ: before Node 24 it slows down every promise of its process.
    if (side === "context") new AsyncLocalStorage().run(0, () => {});
    const queue = new Queue(name, { connection: { url } });
    if (isOurs(side)) return boostSide(queue, url, ourParams[side]);
    const theirs = bareSide(queue, url, withIds.includes(side) || side === "adopted");
    if (side !== "adopted") return theirs;
    const { work, close } = boostSide(queue, url, { adopt: true, ...ourParams.ours });
    return { ...theirs, work, close };
  },
};

/** The same retention as the bare worker's; "kept" has funboost's own, which leaves done jobs for BullMQ's tools. */
const dropDone = { worker: { removeOnComplete: { count: 0 } } };
const ourParams = {
  ours: { brokerOptions: dropDone },
  rpc: { brokerOptions: dropDone, rpc: { ttl: "10s" } },
  kept: {},
} satisfies Record<string, Partial<TaskParams>>;
const isOurs = (side: string): side is keyof typeof ourParams => side in ourParams;

/** `own`: each job has an id of its producer's. */
function bareSide(queue: Queue, url: string, own = false): Side {
  let added = 0;
  const optsOf = () => (own ? { jobId: `theirs-${added++}` } : {});
  return {
    add: (index) => queue.add("job", bodyOf(index), optsOf()),
    addMany: (indexes) => queue.addBulk(indexes.map((index) => ({ name: "job", data: bodyOf(index), opts: optsOf() }))),
    async work({ hit }) {
      const worker = new Worker(queue.name, async () => hit(), {
        connection: { url },
        concurrency,
        removeOnComplete: { count: 0 },
      });
      return () => worker.close();
    },
    ...looking(queue),
    close: () => queue.close(),
  };
}

function boostSide(queue: Queue, url: string, params: Parameters<typeof ourSide>[2]): Side {
  const side = ourSide(queue.name, bullmq({ url }), params);
  return {
    ...side,
    ...looking(queue),
    async close() {
      await queue.close();
      await side.close();
    },
  };
}

/** BullMQ's own word, for both. */
function looking(queue: Queue): Pick<Side, "left" | "clear"> {
  return {
    async left() {
      const counts = await queue.getJobCounts("wait", "active", "delayed", "prioritized", "failed");
      return Object.values(counts).reduce((sum, count) => sum + count, 0);
    },
    async clear() {
      await queue.drain(true);
      await queue.clean(0, 0, "completed");
    },
  };
}
