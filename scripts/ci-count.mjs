// Adds up what the stages of .ci/run reported, names what failed, and prints the last line of the run.
import { readFileSync } from "node:fs";

const total = { passed: 0, failed: 0, skipped: 0 };
const words = {
  passed: "passed",
  pass: "passed",
  ok: "passed",
  failed: "failed",
  fail: "failed",
  skipped: "skipped",
  skip: "skipped",
  pending: "skipped",
  todo: "skipped",
};

/** Vitest's report has totals; the kit and the examples write rows with a `result`. */
function countsOf(report) {
  if (!Array.isArray(report)) return { passed: report.numPassedTests, failed: report.numFailedTests, skipped: report.numPendingTests + report.numTodoTests };
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const row of report) counts[words[row.result] ?? "failed"] += 1; // an unknown word must not pass
  return counts;
}

function readCounts(file) {
  try {
    return countsOf(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    console.log(`  no report: ${error.message}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

const stages = readFileSync(process.argv[2], "utf8").trimEnd().split("\n");
for (const line of stages) {
  const [name, code, file] = line.split("\t");
  const counts = file ? readCounts(file) : { passed: 0, failed: 0, skipped: 0 };
  if (!file && code === "0") counts.passed = 1;
  if (code !== "0" && counts.failed === 0) counts.failed = 1; // a suite that did not load, a leak, a crash at the end
  if (file && code === "0" && counts.passed === 0) counts.failed += 1; // nothing ran
  for (const key of Object.keys(total)) total[key] += counts[key];
  console.log(
    `${(counts.failed > 0 ? "FAILED" : "ok").padEnd(7)}${name.padEnd(24)} ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`,
  );
}
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
