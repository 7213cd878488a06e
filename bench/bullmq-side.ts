/** One way to use BullMQ, in a process of its own: neither's garbage, compiled code and async hooks are the other's. Told by its parent what to do. */
import { AsyncLocalStorage } from "node:async_hooks";
import { fileURLToPath } from "node:url";
import { Queue, Worker } from "bullmq";
import { boost, shutdown, type TaskParams } from "funboost";
import { bullmq } from "funboost/adapters/bullmq";
import { inFlight, type Meter, meter, mustBe, type Sample, stopwatch } from "./measure.ts";
import { type Args, argsOf, bodyOf, chunksOf, names } from "./work.ts";

const jobs = 10_000;
const lanes = 100;
const bulk = 500;
const concurrency = 50;

/** One way to use BullMQ. The three are measured, `emptied` and `counted` are not. */
interface Side {
  add(index: number): Promise<unknown>;
  addMany(indexes: readonly number[]): Promise<unknown>;
  /** Starts a worker; answers how to stop it. */
  work(meter: Meter): Promise<() => Promise<unknown>>;
  /** For looking and clearing only. */
  readonly queue: Queue;
  close(): Promise<void>;
}

export type Operation = "publish" | "bulk" | "consume";

export type SideName = "bare" | "again" | "context" | "ours" | "rpc" | "kept";

function bareSide(url: string, name: string): Side {
  const queue = new Queue(name, { connection: { url } });
  return {
    queue,
    add: (index) => queue.add("job", bodyOf(index)),
    addMany: (indexes) => queue.addBulk(indexes.map((index) => ({ name: "job", data: bodyOf(index) }))),
    async work({ hit }) {
      const worker = new Worker(name, async () => hit(), { connection: { url }, concurrency, removeOnComplete: { count: 0 } });
      return () => worker.close();
    },
    close: () => queue.close(),
  };
}

function ourSide(url: string, name: string, params: Partial<TaskParams> = {}): Side {
  const broker = bullmq({ url });
  let current: Meter;
  const task = boost({ queue: name, broker, params: names, concurrency, ...params }, async (..._: Args) => current.hit());
  const queue = new Queue(name, { connection: { url } });
  return {
    queue,
    add: (index) => task.push(...argsOf(index)),
    addMany: (indexes) => task.pushMany(indexes.map(argsOf)),
    async work(meter) {
      current = meter;
      const consumer = await task.consume();
      return () => consumer.close();
    },
    async close() {
      await queue.close();
      await shutdown();
    },
  };
}

const indexes = chunksOf(jobs, bulk, (index) => index);

/** All that is not done. */
async function left({ queue }: Side): Promise<number> {
  const counts = await queue.getJobCounts("wait", "active", "delayed", "prioritized", "failed");
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

async function publish(side: Side, send: () => Promise<unknown>): Promise<Sample> {
  const stop = stopwatch();
  await send();
  const sample = stop(jobs);
  mustBe("jobs in the queue", await left(side), jobs);
  await side.queue.drain(true);
  return sample;
}

async function consume(side: Side): Promise<Sample> {
  for (const some of indexes) await side.addMany(some);
  mustBe("jobs in the queue", await left(side), jobs);
  const runs = meter(jobs);
  const stop = await side.work(runs);
  const sample = await runs.done;
  await stop();
  mustBe("runs", runs.calls(), jobs);
  mustBe("jobs left", await left(side), 0);
  await side.queue.clean(0, 0, "completed");
  return sample;
}

const operations: Record<Operation, (side: Side) => Promise<Sample>> = {
  publish: (side) => publish(side, () => inFlight(jobs, lanes, (index) => side.add(index))),
  bulk: (side) =>
    publish(side, async () => {
      for (const some of indexes) await side.addMany(some);
    }),
  consume,
};

/** The same retention as the bare worker's; "kept" has funboost's own, which leaves done jobs for BullMQ's tools. */
const dropDone = { worker: { removeOnComplete: { count: 0 } } };

function openSide(side: SideName, url: string): Side {
  const name = `bench-${process.pid}-${side}`;
  // What any AsyncLocalStorage in use costs BullMQ: before Node 24 it slows down every promise of its process.
  if (side === "context") new AsyncLocalStorage().run(0, () => {});
  if (side === "bare" || side === "again" || side === "context") return bareSide(url, name);
  const params = { ours: { brokerOptions: dropDone }, rpc: { brokerOptions: dropDone, rpc: { ttl: "10s" } }, kept: {} };
  return ourSide(url, name, params[side]);
}

export type Order = Operation | "close";
export type Answer = Sample | { readonly failed: string };

async function serve(): Promise<void> {
  const [name, url] = process.argv.slice(2) as [SideName, string];
  const side = openSide(name, url);
  const send = (answer: Answer) => void process.send?.(answer);
  process.on("message", (order: Order) => {
    if (order === "close") return void close(side);
    operations[order](side).then(send, (error: Error) => send({ failed: String(error.stack) }));
  });
}

async function close(side: Side): Promise<void> {
  await side.queue.obliterate({ force: true });
  await side.close();
  process.disconnect();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve();
