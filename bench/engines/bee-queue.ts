/** Bee-Queue at its best settings. */
import BeeQueue from "bee-queue";
import { beeQueue } from "funboost/adapters/bee-queue";
import type { EngineBench, Side } from "../engine.ts";
import { goals } from "../report.ts";
import { bodyOf } from "../work.ts";
import { concurrency, ourSide } from "./ours.ts";

const goal = goals.ratioAbove(0.95);
const bares = ["bare", "again"];

export const beeQueueBench: EngineBench = {
  broker: "bee-queue",
  jobs: 10_000,
  lanes: 100,
  bulk: 500,
  rounds: [["publish"], ["bulk"], ["consume"]],
  consumeFrom: "first",
  comparisons: [
    { label: "bare against bare", side: "again", against: ["bare"] },
    { label: "", side: "ours", against: bares, goals: { publish: goal, bulk: goal, consume: goal } },
    { label: "rpc", side: "rpc", against: bares },
  ],
  async open(side, url, name) {
    const queue = new BeeQueue(name, { ...lean, redis: { url }, isWorker: false });
    await queue.ready();
    return side === "bare" || side === "again"
      ? bareSide(queue, url)
      : boostSide(queue, url, side === "rpc" ? { rpc: { ttl: "10s" } } : {});
  },
};

/** Nothing that nobody reads: job objects kept in memory, events, done jobs. */
const lean: BeeQueue.QueueSettings = { getEvents: false, sendEvents: false, storeJobs: false, removeOnSuccess: true };

function bareSide(queue: BeeQueue, url: string): Side {
  return {
    add: (index) => queue.createJob(bodyOf(index)).save(),
    async addMany(indexes) {
      const failed = await queue.saveAll(indexes.map((index) => queue.createJob(bodyOf(index))));
      if (failed.size > 0) throw new Error(`${failed.size} jobs were not saved`);
    },
    async work({ hit }) {
      const worker = new BeeQueue(queue.name, { ...lean, redis: { url } });
      await worker.ready();
      worker.process(concurrency, async () => hit());
      return () => worker.close();
    },
    ...looking(queue),
    close: () => queue.close(),
  };
}

function boostSide(queue: BeeQueue, url: string, params: Parameters<typeof ourSide>[2]): Side {
  const side = ourSide(queue.name, beeQueue({ url }), params);
  return {
    ...side,
    left: looking(queue).left,
    async close() {
      await looking(queue).clear();
      await queue.close();
      await side.close();
    },
  };
}

/** Bee-Queue's own word, for both. */
function looking(queue: BeeQueue): Pick<Side, "left" | "clear"> {
  return {
    async left() {
      const { waiting, active, delayed, failed } = await queue.checkHealth();
      return waiting + active + delayed + failed;
    },
    clear: () => queue.destroy(),
  };
}
