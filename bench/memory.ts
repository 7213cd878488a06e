/** funboost on memory: what the core itself costs. */
import { boost, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import {
  consumeAll,
  inFlight,
  interleave,
  type Meter,
  meter,
  mustBe,
  type RoundsOptions,
  type Sample,
  stopwatch,
} from "./measure.ts";
import { type Goal, goals, type Row, rates, singleRow } from "./report.ts";
import { type Args, argsOf, chunksOf, names } from "./work.ts";

const jobs = 100_000;

export async function benchMemory({ say, ...options }: RoundsOptions): Promise<Row[]> {
  const broker = memory();
  let current: Meter;
  const hit = async (..._: Args) => current.hit();
  const tasks = {
    plain: boost({ queue: "bench", broker, params: names }, hit),
    rpc: boost({ queue: "bench-rpc", broker, params: names, rpc: { ttl: "1s" } }, hit),
  };
  const chunks = chunksOf(jobs, 1_000, argsOf);

  async function publish(send: () => Promise<unknown>): Promise<Sample> {
    const stop = stopwatch();
    await send();
    const sample = stop(jobs);
    mustBe("messages in the queue", await tasks.plain.count(), jobs);
    await tasks.plain.clear();
    return sample;
  }
  async function sendAll(task: typeof tasks.plain): Promise<void> {
    for (const some of chunks) await task.pushMany(some);
  }
  async function runs(task: typeof tasks.plain): Promise<Sample> {
    await sendAll(task);
    current = meter(jobs);
    return consumeAll(task, current, jobs);
  }
  const variants = {
    push: () => publish(() => inFlight(jobs, 100, (index) => tasks.plain.push(...argsOf(index)))),
    pushMany: () => publish(() => sendAll(tasks.plain)),
    runs: () => runs(tasks.plain),
    "runs, rpc": () => runs(tasks.rpc),
  };
  const samples = await interleave(variants, { ...options, say: (text) => say(`memory, ${text}`) });
  await shutdown();
  const row = (operation: keyof typeof variants, unit: string, goal?: Goal) =>
    singleRow({ broker: "memory", operation, unit }, rates(samples[operation]), goal);
  return [
    row("push", "jobs/s"),
    row("pushMany", "jobs/s"),
    row("runs", "runs/s", goals.atLeast(200_000)),
    row("runs, rpc", "runs/s"),
  ];
}
