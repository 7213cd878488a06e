/** qps on memory: how late a start is against t0 + n/qps, and the busiest second. The four rates run side by side. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { boost, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { busiestSecond, quantile } from "./pairs.ts";
import { figureRow, goals, type Row } from "./report.ts";

const rates = [0.5, 10, 100, 1000];
const seconds = 20;

async function starts(qps: number, broker: ReturnType<typeof memory>): Promise<number[]> {
  const times: number[] = [];
  const task = boost(
    { queue: `bench-qps-${qps}`, broker, qps, params: ["n"] },
    async (_: number) => void times.push(performance.now()),
  );
  await task.pushMany(Array.from({ length: Math.ceil(qps * (seconds + 1)) }, (_, n): [number] => [n]));
  const consumer = await task.consume();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  await task.clear();
  await consumer.close();
  return times;
}

function rowsOf(qps: number, times: readonly number[]): Row[] {
  const t0 = times[0] ?? Number.NaN;
  const lateMs = times.map((time, n) => time - (t0 + (n * 1000) / qps));
  const row = (operation: string, unit: string, value: number, limit?: number) =>
    figureRow(
      { broker: "memory", operation: `qps ${qps}, ${operation}`, unit },
      value,
      limit === undefined ? undefined : goals.atMost(limit),
    );
  return [
    row("lateness of a start, p99", "ms", quantile(lateMs, 0.99), 25),
    row("busiest second", "starts", busiestSecond(times), qps * 1.02 + 1),
    row("started per second", "runs/s", (times.length - 1) / (((times.at(-1) ?? Number.NaN) - t0) / 1000)),
  ];
}

export async function benchQps(say: (text: string) => void): Promise<Row[]> {
  say(`qps ${rates.join(", ")} for ${seconds} s`);
  const broker = memory();
  const stalls = monitorEventLoopDelay({ resolution: 2 });
  stalls.enable();
  const times = await Promise.all(rates.map((qps) => starts(qps, broker)));
  stalls.disable();
  await shutdown();
  // A stall above the 20 ms of slack moves all later starts: this row tells whether a busy machine is to blame.
  const longest = figureRow(
    { broker: "memory", operation: "qps, longest stall of the process", unit: "ms" },
    stalls.max / 1e6,
  );
  return [...rates.flatMap((qps, i) => rowsOf(qps, times[i] as number[])), longest];
}
