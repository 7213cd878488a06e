/**
 * Chooses kits by broker and clause, runs them, and answers a row for each case: for `npm run conformance` and `npm
 * run storm`.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Reporter, startVitest, type TestCase, type TestModule, type Vitest } from "vitest/node";
import { allCases } from "../conformance/all-cases.ts";
import type { Outcome } from "../conformance/run-case.ts";
import { engines } from "./engines.ts";

export interface Choice {
  /** Folders of `test/adapters`; undefined: all. */
  readonly brokers: readonly string[] | undefined;
  /** Undefined: all but those of `apart`. */
  readonly clauses: readonly string[] | undefined;
}

const folder = join("test", "adapters");
const kitOf = (broker: string) => join(folder, broker, "conformance.test.ts");
/** Clauses with a file of their own: cases that take a minute, and those that kill servers. */
const apart: Readonly<Record<string, string>> = { slow: "slow", restarts: "restart" };

/** Checks names that somebody typed; `text` is a list with commas. */
function chosen(option: string, text: string | undefined, allowed: readonly string[]): readonly string[] | undefined {
  const names = text?.split(",").map((name) => name.trim());
  const wrong = names?.find((name) => !allowed.includes(name));
  if (wrong !== undefined) throw new Error(`--${option} is "${wrong}". Allowed: ${allowed.join(", ")}.`);
  return names;
}

export function choose(broker: string | undefined, clause: string | undefined): Choice {
  const brokers = readdirSync(folder).filter((name) => existsSync(kitOf(name)));
  const clauses = [...new Set(allCases.map((each) => each.clause)), ...Object.keys(apart)];
  return { brokers: chosen("broker", broker, brokers), clauses: chosen("clause", clause, clauses) };
}

function filesOf({ brokers, clauses }: Choice): string[] {
  const own = clauses?.filter((clause) => !apart[clause]);
  const all = readdirSync(folder).filter((name) => existsSync(kitOf(name)));
  const kits = own?.length === 0 ? [] : (brokers ?? all).map(kitOf);
  const others = Object.entries(apart).filter(([clause]) => clauses?.includes(clause));
  return [...kits, ...others.map(([, file]) => join("test", "behaviour", `${file}.test.ts`))];
}

/** An adapter may be several engines: one for each backend. */
function enginesOf(brokers: readonly string[]): string[] {
  const names = ["memory", "sqlite", ...Object.keys(engines)];
  const isOf = (name: string, broker: string) => name === broker || /^[- ]/.test(name.slice(broker.length));
  return names.filter((name) => brokers.some((broker) => name.startsWith(broker) && isOf(name, broker)));
}

/** Sets what the test files read from the environment, and runs them from the build. */
export async function runKits(choice: Choice, reporters: Reporter[]): Promise<Outcome[]> {
  const { brokers, clauses } = choice;
  process.env.FUNBOOST_SKIP_BUILD ??= "1"; // who calls runs from the build
  process.env.FUNBOOST_TEST_BUILT = "1";
  if (clauses) process.env.FUNBOOST_KIT_CLAUSES = clauses.join(",");
  if (brokers) process.env.FUNBOOST_TEST_ENGINES = enginesOf(brokers).join(",");
  const vitest = await startVitest("test", filesOf(choice), { watch: false, passWithNoTests: true, reporters });
  const rows = rowsOf(vitest);
  await vitest.close();
  if (rows.length === 0) {
    const where = brokers ? ` on ${brokers.join(", ")}` : "";
    throw new Error(`No case${clauses ? ` of ${clauses.join(", ")}` : ""} has run${where}.`);
  }
  return rows;
}

/** A reporter's last call: what no row says, such as a file that did not load. */
export function sayErrors(
  modules: readonly TestModule[],
  errors: readonly { stack?: string; message: string }[],
): void {
  const all = [...modules.flatMap((module) => module.errors()), ...errors];
  for (const error of all) console.error(error.stack ?? error.message);
}

function rowsOf(vitest: Vitest): Outcome[] {
  const tests = vitest.state.getTestModules().flatMap((module) => [...module.children.allTests()]);
  const rows = tests.map(rowOf).filter((row) => row !== undefined);
  const said = new Set<string>(); // each part of a kit says that its service cannot be had
  return rows.filter((row) => row.clause !== "" || said.size < said.add(row.broker).size);
}

/** The row that the case left behind, set right by how its test ended. */
function rowOf(test: TestCase): Outcome | undefined {
  const row = test.meta().conformance;
  const { state, errors } = test.result();
  const first = errors?.[0]?.message?.split("\n")[0];
  if (!row) return unreachable(test, first);
  if (state !== "failed") return row;
  const reason = row.result === "passed" && !first ? "passes now: remove its known gap" : (first ?? "no reason given");
  return { ...row, result: "failed", reason };
}

/** The one test of a broker whose service cannot be had; other tests of these files are not the kit's. */
function unreachable(test: TestCase, error: string | undefined): Outcome | undefined {
  const title = [test.fullName.split(" > ")[0], test.fullName].find((text) => /^.+?: no \S+ here: /.test(text ?? ""));
  const [, broker, reason] = /^(.+?): (no \S+ here: .*?)( > all cases)?$/.exec(title ?? "") ?? [];
  if (!broker || !reason) return undefined;
  return { broker, case: "all cases", clause: "", mode: "native", result: error ? "failed" : "skipped", reason };
}
