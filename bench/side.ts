/** One side of a comparison, in a process of its own: neither's garbage, compiled code and async hooks are the other's. Told by its parent what to do. */
import { fileURLToPath } from "node:url";
import type { EngineBench, Operation, Side } from "./engine.ts";
import { type EngineName, engines } from "./engines.ts";
import { inFlight, meter, mustBe, type Sample, stopwatch } from "./measure.ts";
import { chunksOf } from "./work.ts";

export type Samples = Partial<Record<Operation, Sample>>;
export type Order = readonly Operation[] | "close";
export type Answer = Samples | { readonly failed: string };

const patienceMs = 30_000;

/** Some engines count with a delay. */
async function mustBeLeft(side: Side, wanted: number): Promise<void> {
  const until = performance.now() + patienceMs;
  let left = await side.left();
  while (left !== wanted && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    left = await side.left();
  }
  mustBe("jobs left in the queue", left, wanted);
}

async function publishAll(side: Side, { jobs, lanes }: EngineBench): Promise<void> {
  await inFlight(jobs, lanes, (index) => side.add(index));
}

async function bulkAll(side: Side, { jobs, bulk }: EngineBench): Promise<void> {
  if (!side.addMany) throw new Error("this side has no call for many");
  for (const some of chunksOf(jobs, bulk, (index) => index)) await side.addMany(some);
}

async function publish(side: Side, bench: EngineBench, send: typeof publishAll): Promise<Sample> {
  const stop = stopwatch();
  await send(side, bench);
  const sample = stop(bench.jobs);
  await mustBeLeft(side, bench.jobs);
  return sample;
}

async function consume(side: Side, { jobs, consumeFrom }: EngineBench): Promise<Sample> {
  const runs = meter(jobs, consumeFrom);
  const stop = await side.work(runs);
  const sample = await runs.done;
  await mustBeLeft(side, 0);
  await stop();
  mustBe("runs", runs.calls(), jobs);
  return sample;
}

/** The operations of one round, each measured. Consuming takes what was published before it, else publishes unmeasured. */
export async function roundOf(side: Side, bench: EngineBench, operations: readonly Operation[]): Promise<Samples> {
  const samples: Samples = {};
  let full = false;
  for (const operation of operations) {
    if (operation === "consume") {
      if (!full) await publish(side, bench, side.addMany ? bulkAll : publishAll);
      await rest(bench);
      samples.consume = await consume(side, bench);
    } else {
      if (full) await side.clear();
      await rest(bench);
      samples[operation] = await publish(side, bench, operation === "bulk" ? bulkAll : publishAll);
    }
    full = operation !== "consume";
  }
  await side.clear();
  return samples;
}

async function rest({ restMs }: EngineBench): Promise<void> {
  if (restMs !== undefined) await new Promise((resolve) => setTimeout(resolve, restMs));
}

async function serve(): Promise<void> {
  const [engine, name, url] = process.argv.slice(2) as [EngineName, string, string];
  const bench = await engines[engine]();
  const side = await bench.open(name, url, `bench-${process.pid}-${name.replace(/\W+/g, "-")}`);
  const send = (answer: Answer) => void process.send?.(answer);
  process.on("message", (order: Order) => {
    if (order === "close") return void close(side);
    roundOf(side, bench, order).then(send, (error: Error) => send({ failed: String(error.stack) }));
  });
}

async function close(side: Side): Promise<void> {
  await side.clear();
  await side.close();
  process.disconnect();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve();
