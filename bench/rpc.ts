/** Round trips: push, run, result back, one at a time; the worker in this process and in another. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { shutdown } from "funboost";
import { echoTask, type Where } from "./echo.ts";
import { mustBe } from "./measure.ts";
import { quantile } from "./pairs.ts";
import { figureRow, type Row } from "./report.ts";

const warmUps = 200;
const calls = 2_000;

async function roundTrips(task: ReturnType<typeof echoTask>): Promise<number[]> {
  const tookMs: number[] = [];
  for (let n = -warmUps; n < calls; n++) {
    const from = performance.now();
    const handle = await task.push(n);
    const result = await handle.waitResult({ timeout: "30s" });
    if (n >= 0) tookMs.push(performance.now() - from);
    mustBe("the result", result, n);
  }
  return tookMs;
}

function rowsOf(broker: string, worker: string, tookMs: readonly number[]): Row[] {
  return [0.5, 0.99].map((q) =>
    figureRow({ broker, operation: `round trip p${100 * q}, worker in ${worker}`, unit: "ms" }, quantile(tookMs, q)),
  );
}

async function sameProcess(where: Where): Promise<Row[]> {
  const task = echoTask(where, `bench-rpc-${process.pid}`);
  const consumer = await task.consume();
  try {
    return rowsOf(where.broker, "this process", await roundTrips(task));
  } finally {
    await consumer.close();
    await shutdown();
  }
}

async function otherProcess(where: Where): Promise<Row[]> {
  const queue = `bench-rpc-other-${process.pid}`;
  const child = fork(new URL("echo.js", import.meta.url), [JSON.stringify([where, queue])]);
  const task = echoTask(where, queue);
  try {
    await ready(child);
    return rowsOf(where.broker, "another process", await roundTrips(task));
  } finally {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    await shutdown();
  }
}

async function ready(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit").then(([code]) =>
    Promise.reject(new Error(`the worker process ended with ${code} before it was ready`)),
  );
  await Promise.race([once(child, "message"), gone]);
  gone.catch(() => {}); // it ends when it is told to
}

export async function benchRpc(redisUrl: string | undefined, say: (text: string) => void): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "funboost-bench-"));
  const places: Where[] = [{ broker: "memory" }, { broker: "sqlite", file: join(folder, "rpc.db") }];
  if (redisUrl) places.push({ broker: "bullmq", url: redisUrl });
  const rows: Row[] = [];
  try {
    for (const where of places) {
      say(`round trips on ${where.broker}`);
      rows.push(...(await sameProcess(where)));
      if (where.broker !== "memory") rows.push(...(await otherProcess(where)));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return rows;
}
