/** funboost on BullMQ against BullMQ alone, at BullMQ's best settings, on one Redis. Bare runs twice in each round: the two against each other are the noise. */
import { Queue, Worker } from "bullmq";
import { boost, type TaskParams } from "funboost";
import { bullmq } from "funboost/adapters/bullmq";
import { inFlight, interleave, type Meter, meter, mustBe, type RoundsOptions, type Sample, stopwatch } from "./measure.ts";
import { cpus, type Goal, goals, pairRow, type Row, rates } from "./report.ts";
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

type Operation = "publish" | "bulk" | "consume";

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
      await broker.close();
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
  globalThis.gc?.();
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

type SideName = "bare" | "again" | "ours" | "rpc" | "kept";

/** The same retention as the bare worker's; "kept" has funboost's own, which leaves done jobs for BullMQ's tools. */
const dropDone = { worker: { removeOnComplete: { count: 0 } } };

function openSides(url: string): Record<SideName, Side> {
  const name = (side: SideName) => `bench-${process.pid}-${side}`;
  return {
    bare: bareSide(url, name("bare")),
    again: bareSide(url, name("again")),
    ours: ourSide(url, name("ours"), { brokerOptions: dropDone }),
    rpc: ourSide(url, name("rpc"), { brokerOptions: dropDone, rpc: { ttl: "10s" } }),
    kept: ourSide(url, name("kept")),
  };
}

export async function benchBullmq(url: string, options: RoundsOptions): Promise<Row[]> {
  const sides = openSides(url);
  const rows: Row[] = [];
  try {
    for (const operation of Object.keys(operations) as Operation[]) {
      const names = (Object.keys(sides) as SideName[]).filter((name) => operation === "consume" || name !== "kept");
      const variants = Object.fromEntries(names.map((name) => [name, () => operations[operation](sides[name])])) as Record<SideName, () => Promise<Sample>>;
      const samples = await interleave(variants, { ...options, say: (text) => options.say(`bullmq ${operation}, ${text}`) });
      rows.push(...rowsOf(operation, samples));
    }
  } finally {
    for (const side of Object.values(sides)) {
      await side.queue.obliterate({ force: true });
      await side.close();
    }
  }
  return rows;
}

function rowsOf(operation: Operation, samples: Partial<Record<SideName, Sample[]>>): Row[] {
  const { bare = [], again = [], ours = [], rpc = [], kept } = samples;
  // Both bare runs of a round together: that halves the noise of what ours is compared with.
  const bareOf = (read: typeof rates) => {
    const second = read(again);
    return read(bare).map((value, i) => Math.sqrt(value * (second[i] as number)));
  };
  const rows = (operation: string, side: readonly Sample[], goal?: Goal) => [
    pairRow({ broker: "bullmq", operation, unit: "jobs/s" }, rates(side), bareOf(rates), goal),
    pairRow({ broker: "bullmq", operation: `${operation}, CPU`, unit: "us/job" }, cpus(side), bareOf(cpus)),
  ];
  return [
    pairRow({ broker: "bullmq", operation: `${operation}, bare against bare`, unit: "jobs/s" }, rates(again), rates(bare)),
    pairRow({ broker: "bullmq", operation: `${operation}, bare against bare, CPU`, unit: "us/job" }, cpus(again), cpus(bare)),
    ...rows(operation, ours, goals.ratioAbove(0.95)),
    ...rows(`${operation}, rpc`, rpc),
    ...(kept ? rows(`${operation}, done jobs kept`, kept) : []),
  ];
}
