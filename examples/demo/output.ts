/** What the demo prints: progress while it runs, a table at the end. */
import type { PackageReport } from "./tasks.ts";

/** On a terminal one line that changes; elsewhere a line every tenth. */
export function progress(total: number): { step(files: number, retried: number): void; end(): void } {
  const terminal = process.stdout.isTTY === true;
  let done = 0;
  let retries = 0;
  let tenth = 0;
  return {
    step(files, retried) {
      done += files;
      retries += retried;
      const text = `${done} of ${total} files, ${retries} retried`;
      if (terminal) process.stdout.write(`\r${"█".repeat(Math.round((30 * done) / total)).padEnd(30, "░")} ${text}`);
      else if (Math.floor((10 * done) / total) > tenth) console.log(text);
      tenth = Math.floor((10 * done) / total);
    },
    end() {
      if (terminal) process.stdout.write("\n");
    },
  };
}

export function printTable(reports: readonly PackageReport[], rows: number): void {
  const largest = [...reports].sort((a, b) => b.words - a.words);
  const others = largest.slice(rows);
  const shown = [
    ...largest.slice(0, rows),
    ...(others.length > 0 ? [sum(`${others.length} more`, others)] : []),
    sum("total", reports),
  ];
  console.log(row(["package", "files", "words", "headings", "links", "broken"]));
  for (const each of shown)
    console.log(row([each.name, each.files, each.words, each.headings, each.links, each.broken]));
}

export function sum(name: string, reports: readonly PackageReport[]): PackageReport {
  const total: PackageReport = {
    name,
    files: 0,
    words: 0,
    headings: 0,
    links: 0,
    broken: 0,
    retried: 0,
    failed: [],
    pids: [],
  };
  for (const report of reports) {
    for (const field of ["files", "words", "headings", "links", "broken", "retried"] as const)
      total[field] += report[field];
    total.failed.push(...report.failed);
    total.pids.push(...report.pids);
  }
  return total;
}

function row([name = "", ...numbers]: readonly (string | number)[]): string {
  return String(name).slice(0, 34).padEnd(34) + numbers.map((each) => each.toLocaleString("en").padStart(10)).join("");
}
