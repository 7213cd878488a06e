/** The demo's tasks: the same on every broker. */
import { statSync } from "node:fs";
import { boost, brokerName, DeadLetterError, fct, TaskError } from "funboost";
import { analyseMarkdown, type Counts } from "./analyse.ts";

export interface FileReport extends Counts {
  attempts: number;
  pid: number;
}

export interface PackageReport extends Counts {
  name: string;
  files: number;
  retried: number;
  failed: string[];
  pids: number[];
}

// Queue names of this run only: two demos on one server do not meet.
const run = process.env.DEMO_RUN ?? "demo";
// Failures are counted in the report: the log is for trouble with the broker.
const shared = { broker: brokerName(process.env.DEMO_BROKER ?? "sqlite"), rpc: true, log: "error" } as const;

const maxBytes = 48 * 1024;

/** 25 starts a second in each process, whatever a run takes. */
export const analyse = boost(
  { ...shared, queue: `${run}-files`, qps: 25, maxRetries: 3, backoff: 200, deadLetter: true, params: ["file"] },
  async function analyse(file: string): Promise<FileReport> {
    // About one file in ten fails at its first attempt. Simulated: local files hardly ever do.
    if (fct.attempt === 1 && checksum(file) % 10 === 0) throw new Error("simulated: disk busy");
    if (statSync(file).size > maxBytes) throw new DeadLetterError(`larger than ${maxBytes / 1024} kB`);
    return { ...(await analyseMarkdown(file)), attempts: fct.attempt ?? 1, pid: process.pid };
  },
);

/** Adds up one package. Its files are tasks of their own; while it waits for them it holds no slot. */
export const summarise = boost(
  { ...shared, queue: `${run}-packages`, concurrency: 4, maxRetries: 0, params: ["name", "files"] },
  async function summarise(name: string, files: string[]): Promise<PackageReport> {
    const report: PackageReport = {
      name,
      files: files.length,
      words: 0,
      headings: 0,
      links: 0,
      broken: 0,
      retried: 0,
      failed: [],
      pids: [],
    };
    const runs = await analyse.pushMany(files.map((file) => [file]));
    for (const [index, r] of runs.entries()) {
      try {
        add(report, await r.waitResult());
      } catch (error) {
        if (!(error instanceof TaskError)) throw error;
        report.failed.push(`${files[index]}: ${(error.cause as Error).message}`);
      }
    }
    return report;
  },
);

function add(report: PackageReport, file: FileReport): void {
  for (const field of ["words", "headings", "links", "broken"] as const) report[field] += file[field];
  report.pids.push(file.pid);
  if (file.attempts > 1) report.retried += 1;
}

/** The same for a file on every machine. */
function checksum(file: string): number {
  const path = file.replaceAll("\\", "/").replace(/^.*?\/node_modules\//, "");
  let sum = 0;
  for (const char of path) sum = (sum * 31 + char.charCodeAt(0)) % 65_521;
  return sum;
}
