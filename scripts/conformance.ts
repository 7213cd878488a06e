/** Runs the conformance kit over every broker that has a test file, and writes what each case came to: npm run conformance -- --json FILE [--broker NAME] [--apart]. */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Reporter, startVitest, type TestCase, type Vitest } from "vitest/node";
import type { Outcome } from "../test/conformance/run-case.ts";

const results = ["passed", "failed", "skipped", "known gap"] as const;

/** The row that the case left behind, set right by how its test ended. */
function rowOf(test: TestCase): Outcome | undefined {
  const row = test.meta().conformance;
  const { state, errors } = test.result();
  const first = errors?.[0]?.message?.split("\n")[0];
  if (!row) return unreachable(test, first);
  if (state === "failed")
    return {
      ...row,
      result: "failed",
      reason: row.result === "passed" && !first ? "passes now: remove its known gap" : (first ?? "no reason given"),
    };
  return row;
}

/** The one test of a broker whose service cannot be had; other tests of these files are not the kit's. */
function unreachable(test: TestCase, error: string | undefined): Outcome | undefined {
  const title = [test.fullName.split(" > ")[0], test.fullName].find((text) => /^.+?: no \S+ here: /.test(text ?? ""));
  const [, broker, reason] = /^(.+?): (no \S+ here: .*?)( > all cases)?$/.exec(title ?? "") ?? [];
  if (!broker || !reason) return undefined;
  return { broker, case: "all cases", mode: "native", result: error ? "failed" : "skipped", reason };
}

function rowsOf(vitest: Vitest): Outcome[] {
  const tests = vitest.state.getTestModules().flatMap((module) => [...module.children.allTests()]);
  return tests.map(rowOf).filter((row) => row !== undefined);
}

function print(rows: readonly Outcome[]): void {
  const brokers = [...new Set(rows.map(({ broker }) => broker))];
  const line = (cells: readonly (string | number)[]) =>
    console.log(cells.map((cell, i) => String(cell).padEnd(i === 0 ? 20 : 11)).join(""));
  line(["broker", "emulated", ...results]);
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

const folder = join("test", "adapters");
const fileOf = (broker: string) => join(folder, broker, "conformance.test.ts");

function filesOf(broker: string | undefined): string[] {
  const names = readdirSync(folder).filter((name) => existsSync(fileOf(name)));
  const wanted = names.filter((name) => broker === undefined || name === broker);
  if (wanted.length === 0) throw new Error(`--broker is "${broker}". Allowed: ${names.join(", ")}.`);
  return wanted.map(fileOf);
}

const progress: Reporter = {
  onTestModuleEnd: (module) =>
    console.log(
      `${module.relativeModuleId}: ${module.state()} in ${(module.diagnostic().duration / 1000).toFixed(1)} s`,
    ),
  onTestRunEnd: (_modules, errors) => {
    for (const error of errors) console.error(error.stack ?? error.message);
  },
};

/** Instead of the others: the cases that take a minute, and those that kill servers. */
const apart = ["slow", "restart"].map((name) => join("test", "behaviour", `${name}.test.ts`));

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { json: { type: "string" }, broker: { type: "string" }, apart: { type: "boolean" } },
  });
  const files = values.apart ? apart : filesOf(values.broker);
  if (values.apart && values.broker) process.env.FUNBOOST_TEST_ENGINES = values.broker;
  process.env.FUNBOOST_SKIP_BUILD ??= "1"; // this script itself runs from the build
  process.env.FUNBOOST_TEST_BUILT = "1";
  const vitest = await startVitest("test", files, { watch: false, reporters: [progress] });
  const rows = rowsOf(vitest);
  await vitest.close();
  if (values.json) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  print(rows);
  process.exitCode = rows.length === 0 || rows.some(({ result }) => result === "failed") ? 1 : 0;
}

main().catch((error: Error) => {
  console.error(`${error.message}\nnpm run conformance -- [--broker NAME] [--apart] [--json FILE]`);
  process.exitCode = 1;
});
