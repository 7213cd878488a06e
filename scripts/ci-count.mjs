// Adds up what the stages of .ci/run reported, says what each took and what failed, and prints the last line of the run.
import { readFileSync } from "node:fs";
import { relative } from "node:path";

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
  "known gap": "skipped",
};

/** Vitest's report has totals; the kit and the examples write rows with a `result`. `names`: what failed, each with the first line of why. */
function countsOf(report) {
  if (Array.isArray(report)) return countRows(report);
  const failed = report.testResults.flatMap((file) =>
    file.assertionResults.filter(({ status }) => status === "failed").map((test) => named(file, test)),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests + report.numTodoTests,
    names: failed,
    unsteady: (report.unsteady ?? []).map(firstLine),
  };
}

function named(file, { fullName, failureMessages }) {
  return `${relative(process.cwd(), file.name)}: ${fullName}: ${firstLine(failureMessages[0])}`;
}

function countRows(rows) {
  const counts = { passed: 0, failed: 0, skipped: 0, names: [] };
  for (const row of rows) {
    const word = words[row.result] ?? "failed"; // an unknown word must not pass
    counts[word] += 1;
    if (word === "failed")
      counts.names.push(`${row.example ?? `${row.broker}: ${row.case}`}: ${firstLine(row.reason)}`);
  }
  return counts;
}

const firstLine = (text) => String(text ?? "no reason given").split("\n", 1)[0];

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
  const [name, code, seconds, file] = line.split("\t");
  const counts = file ? readCounts(file) : { passed: 0, failed: 0, skipped: 0 };
  if (!file && code === "0") counts.passed = 1;
  if (code !== "0" && counts.failed === 0) {
    counts.failed = 1; // a suite that did not load, a leak, a crash at the end
    counts.names = [`exit code ${code} though no test failed: see its output`];
  }
  if (file && code === "0" && counts.passed === 0) counts.failed += 1; // nothing ran
  for (const key of Object.keys(total)) total[key] += counts[key];
  console.log(
    `${(counts.failed > 0 ? "FAILED" : "ok").padEnd(7)}${name.padEnd(28)}${seconds.padStart(6)} s  ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`,
  );
  for (const failed of counts.names ?? []) console.log(`         ${failed}`);
  for (const each of counts.unsteady ?? []) console.log(`         unsteady, passed alone: ${each}`);
}
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
