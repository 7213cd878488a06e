/**
 * The demo: analyses the Markdown files under node_modules in two worker processes, and adds them up by package.
 * Usage: npm run demo -- [--broker sqlite|bullmq] [--limit N]
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { asCompleted, checkTasks, type Handle, shutdown } from "funboost";
import { markdownByPackage } from "./files.ts";
import { printTable, progress, sum } from "./output.ts";
import type { PackageReport } from "./tasks.ts";

const root = fileURLToPath(new URL("../../../node_modules", import.meta.url));

async function main(): Promise<void> {
  const { broker, limit } = readOptions();
  // Before the tasks are imported, and inherited by the workers.
  process.env.DEMO_BROKER = broker;
  process.env.DEMO_RUN = `demo-${Date.now().toString(36)}`;
  process.env.FUNBOOST_SQLITE_FILE ||= join(mkdtempSync(join(tmpdir(), "funboost-demo-")), "queue.db");
  const tasks = await import("./tasks.ts");
  await checkTasks(); // a server that is not there is told here

  const packages = markdownByPackage(root, limit);
  const files = [...packages.values()].flat().length;
  console.log(
    `${files} Markdown files of ${packages.size} packages on ${broker}, two workers, 25 starts a second each.`,
  );
  const started = performance.now();
  const workers = await Promise.all([startWorker(), startWorker()]);
  try {
    const reports = await collect(await tasks.summarise.pushMany([...packages]), files);
    const seconds = (performance.now() - started) / 1000;
    printTable(reports, 12);
    printFacts(reports, seconds, await tasks.analyse.deadLetters.count());
  } finally {
    await Promise.all(workers.map(stopWorker));
    await shutdown();
  }
}

function readOptions(): { broker: string; limit: number } {
  const { values } = parseArgs({
    options: { broker: { type: "string", default: "sqlite" }, limit: { type: "string", default: "1000" } },
  });
  const limit = Number(values.limit);
  if (!Number.isInteger(limit) || limit < 1)
    throw new Error(`--limit takes a whole number from 1, got "${values.limit}".`);
  if (values.broker === "memory")
    throw new Error("--broker memory stays in one process and the demo has two workers: take sqlite or bullmq.");
  return { broker: values.broker, limit };
}

async function collect(runs: readonly Handle<PackageReport>[], files: number): Promise<PackageReport[]> {
  const bar = progress(files);
  const reports: PackageReport[] = [];
  for await (const done of asCompleted(runs, { timeout: "2m" })) {
    if ("error" in done) throw done.error;
    reports.push(done.value);
    bar.step(done.value.files, done.value.retried);
  }
  bar.end();
  return reports;
}

function printFacts(reports: readonly PackageReport[], seconds: number, dead: number): void {
  const { files, retried, failed, pids } = sum("total", reports);
  const shares = [...new Set(pids)].map((pid) => `${pids.filter((each) => each === pid).length} by process ${pid}`);
  console.log(`\n${files} files in ${seconds.toFixed(1)} s: ${shares.join(", ")}.`);
  console.log(`${retried} at a later attempt: about one in ten fails once, on purpose.`);
  if (dead > 0) console.log(`${dead} in the dead-letter queue:`);
  for (const each of failed) console.log(`  ${relative(root, each)}`);
}

async function startWorker(): Promise<ChildProcess> {
  const worker = fork(new URL("./worker.js", import.meta.url));
  const [message] = await Promise.race([once(worker, "message"), once(worker, "exit")]);
  if (message !== "ready") throw new Error(`A worker ended at its start with exit code ${message}.`);
  return worker;
}

async function stopWorker(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null || worker.signalCode !== null) return;
  const exited = once(worker, "exit");
  worker.disconnect();
  await exited;
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
  await shutdown();
}
