/** The kit over brokers, by clause: npm run conformance -- [--broker NAME,...] [--clause NAME,...] [--json FILE]. */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Reporter } from "vitest/node";
import type { Outcome } from "../test/conformance/run-case.ts";
import { kitCosts } from "../test/support/kit-costs.ts";
import { choose, runKits, sayErrors } from "../test/support/kit-run.ts";

const results = ["passed", "failed", "skipped", "known gap"] as const;

function print(rows: readonly Outcome[]): void {
  const brokers = [...new Set(rows.map(({ broker }) => broker))];
  const line = (cells: readonly (string | number)[]) =>
    console.log(cells.map((cell, i) => String(cell).padEnd(i === 0 ? 28 : 11)).join(""));
  line(["\nbroker", "emulated", ...results]);
  for (const broker of brokers) {
    const own = rows.filter((row) => row.broker === broker);
    line([
      broker,
      own.filter(({ mode }) => mode === "emulated").length,
      ...results.map((result) => own.filter((row) => row.result === result).length),
    ]);
  }
  for (const { broker, case: name, result, reason } of rows.filter(
    (row) => row.result === "failed" || row.result === "known gap",
  )) {
    console.log(`${result}: ${broker}: ${name}: ${reason}`);
  }
}

const progress: Reporter = {
  onTestModuleEnd(module) {
    const seconds = (module.diagnostic().duration / 1000).toFixed(1);
    console.log(`${module.project.name}: ${module.relativeModuleId}: ${module.state()} in ${seconds} s`);
  },
  onTestRunEnd: sayErrors,
};

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { json: { type: "string" }, broker: { type: "string" }, clause: { type: "string" } },
  });
  const rows = await runKits(choose(values.broker, values.clause), [progress, kitCosts]);
  if (values.json) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  print(rows);
  // Never set back: vitest has set it where a file did not load, which leaves no row.
  if (rows.length === 0 || rows.some(({ result }) => result === "failed")) process.exitCode = 1;
}

main().catch((error: Error) => {
  console.error(`${error.message}\nnpm run conformance -- [--broker NAME,...] [--clause NAME,...] [--json FILE]`);
  process.exitCode = 1;
});
