/** funboost on SQLite: published in bulk, and consumed durably. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { boost, shutdown } from "funboost";
import { sqlite } from "funboost/adapters/sqlite";
import {
  consumeAll,
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

const jobs = 50_000;

export async function benchSqlite({ say, ...options }: RoundsOptions): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "funboost-bench-"));
  const broker = sqlite({ file: join(folder, "queue.db") });
  let current: Meter;
  const hit = async (..._: Args) => current.hit();
  const tasks = {
    plain: boost({ queue: "bench", broker, params: names, concurrency: 500 }, hit),
    rpc: boost({ queue: "bench-rpc", broker, params: names, concurrency: 500, rpc: { ttl: "1s" } }, hit),
  };
  const chunks = chunksOf(jobs, 10_000, argsOf);

  async function send(task: typeof tasks.plain): Promise<void> {
    for (const some of chunks) await task.pushMany(some);
    mustBe("messages in the queue", await task.count(), jobs);
  }
  async function publish(): Promise<Sample> {
    const stop = stopwatch();
    await send(tasks.plain);
    const sample = stop(jobs);
    await tasks.plain.clear();
    return sample;
  }
  async function consume(task: typeof tasks.plain, concurrency: number): Promise<Sample> {
    await send(task);
    current = meter(jobs);
    return consumeAll(task, current, jobs, { concurrency });
  }
  const variants = {
    bulk: publish,
    "consume, concurrency 500": () => consume(tasks.plain, 500),
    "consume, concurrency 50": () => consume(tasks.plain, 50),
    "consume, rpc, concurrency 500": () => consume(tasks.rpc, 500),
  };
  try {
    const samples = await interleave(variants, { ...options, say: (text) => say(`sqlite, ${text}`) });
    const row = (operation: keyof typeof variants, goal?: Goal) =>
      singleRow({ broker: "sqlite", operation, unit: "jobs/s" }, rates(samples[operation]), goal);
    return [
      row("bulk", goals.atLeast(100_000)),
      row("consume, concurrency 500", goals.atLeast(50_000)),
      row("consume, concurrency 50"),
      row("consume, rpc, concurrency 500"),
    ];
  } finally {
    await shutdown();
    rmSync(folder, { recursive: true, force: true });
  }
}
