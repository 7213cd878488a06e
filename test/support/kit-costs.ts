/** What the kits cost, by broker and by clause, printed at the end of a test run: a reporter of vitest. */
import type { Reporter, TestCase, TestModule } from "vitest/node";
import { kitBudgets } from "./kit-budgets.ts";

/** One case on one broker. Times in seconds. */
export interface Cost {
  readonly broker: string;
  readonly clause: string;
  readonly case: string;
  /** Of the kit. */
  readonly part: (typeof parts)[number];
  readonly seconds: number;
  /** On one clock for all; 0: it did not run. */
  readonly from: number;
  readonly to: number;
}

const longestFiles = 15;
const parts = ["together", "alone", "waits"] as const;
/** Clauses that run in files of their own, beside the kits. */
const apart = ["slow", "restarts"];

export const kitCosts: Reporter = {
  onTestRunEnd(modules) {
    const costs = modules.flatMap((module) => [...module.children.allTests()].flatMap(costOf));
    for (const line of [...brokerLines(costs), ...clauseLines(costs), ...partLines(costs)]) console.log(line);
    if (process.env.CI) for (const line of fileLines(modules)) console.log(line);
  },
};

function costOf(test: TestCase): Cost[] {
  const row = test.meta().conformance;
  const { startTime = 0, duration = 0 } = test.diagnostic() ?? {};
  if (!row) return [];
  const { clause, case: name, seconds = duration / 1_000 } = row;
  const broker = apart.includes(clause) ? `${row.broker}, ${clause}` : row.broker;
  const suite = test.parent.type === "suite" ? test.parent.name : "";
  const part = parts.find((each) => each === suite) ?? "together";
  return [{ broker, clause, case: name, part, seconds, from: startTime / 1_000, to: (startTime + duration) / 1_000 }];
}

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];
const sum = (costs: readonly Cost[]) => costs.reduce((all, { seconds }) => all + seconds, 0);

/** From the first start to the last end. */
function span(costs: readonly Cost[]): number {
  const ran = costs.filter(({ from }) => from > 0);
  return ran.length === 0 ? 0 : Math.max(...ran.map(({ to }) => to)) - Math.min(...ran.map(({ from }) => from));
}

function row(cells: readonly (string | number)[]): string {
  const [first = "", ...others] = cells.map((cell) => (typeof cell === "number" ? cell.toFixed(1) : cell));
  return `${first.padEnd(34)}${others.map((cell) => cell.padStart(10)).join("")}`;
}

export function brokerLines(costs: readonly Cost[]): string[] {
  if (costs.length === 0) return [];
  const lines = unique(costs.map(({ broker }) => broker)).map((broker) => {
    const own = costs.filter((each) => each.broker === broker);
    const spans = parts.map((part) => span(own.filter((each) => each.part === part)));
    return row([broker, String(own.length), ...spans, sum(own)]);
  });
  return ["", "What each broker took, in seconds", row(["broker", "cases", ...parts, "sum"]), ...lines];
}

/** By the broker that takes longest: a budget is for each. */
export function clauseLines(costs: readonly Cost[]): string[] {
  if (costs.length === 0) return [];
  const budgets: Readonly<Record<string, number>> = kitBudgets;
  const lines = Object.keys(budgets).flatMap((clause) => {
    const own = costs.filter((each) => each.clause === clause);
    if (own.length === 0) return [];
    const brokers = unique(own.map(({ broker }) => broker))
      .map((broker) => ({ broker, seconds: sum(own.filter((each) => each.broker === broker)) }))
      .sort((a, b) => b.seconds - a.seconds);
    const budget = budgets[clause] ?? 0;
    const over = brokers.filter(({ seconds }) => seconds > budget);
    const said = over.map(({ broker, seconds }) => `${broker} ${seconds.toFixed(1)}`).join(", ");
    const line = row([clause, sum(own), sum(own) / brokers.length, brokers[0]?.seconds ?? 0, String(budget)]);
    return [said === "" ? line : `${line}  over: ${said}`];
  });
  return ["", "What each clause took, in seconds", row(["clause", "sum", "mean", "longest", "budget"]), ...lines];
}

/** Brokers that run a chosen part of the kit, such as a second way of one engine, with the names of these cases. */
function partLines(costs: readonly Cost[]): string[] {
  if (process.env.FUNBOOST_KIT_CLAUSES) return [];
  const kits = costs.filter(({ clause }) => !apart.includes(clause));
  const brokers = unique(kits.map(({ broker }) => broker));
  const most = Math.max(...brokers.map((broker) => kits.filter((each) => each.broker === broker).length));
  const parts = new Map<string, string[]>(); // the same part of several stores is said once
  for (const broker of brokers) {
    const own = kits.filter((each) => each.broker === broker).map((each) => `  ${each.clause}: ${each.case}`);
    const part = own.sort().join("\n");
    if (own.length < most / 2) parts.set(part, [...(parts.get(part) ?? []), broker]);
  }
  return [...parts].flatMap(([part, names]) => ["", `A part of the kit on ${names.join(", ")}:`, part]);
}

function fileLines(modules: readonly TestModule[]): string[] {
  const files = modules
    .map((module) => ({
      name: `${module.project.name}: ${module.relativeModuleId}`,
      seconds: module.diagnostic().duration / 1_000,
    }))
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, longestFiles);
  return [
    "",
    `The ${files.length} longest files, in seconds`,
    ...files.map(({ name, seconds }) => row([name, seconds])),
  ];
}
