/**
 * What is too long for CI: cases that kill, stop and restart, again and again.
 * npm run storm -- [--broker NAME,...] [--clause NAME,...] [--times N] [--json FILE]
 * npm run storm -- --qps NAME,... [--broker NAME,...] [--times N]: one rate for processes, of which one may be killed
 * npm run storm -- --beside [--minutes N]: workers and producers of BullMQ 5, 6 and ours on one queue, all killed at random
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Reporter } from "vitest/node";
import type { Outcome } from "../test/conformance/run-case.ts";
import { type BesideOutcome, playBeside } from "../test/support/beside-storm.ts";
import { choose, runKits, sayErrors } from "../test/support/kit-run.ts";
import { playQps, type QpsOutcome, qpsBrokers, qpsPlace, qpsScenarios } from "../test/support/qps-storm.ts";
import { serviceFor } from "../test/support/services.ts";

/** Says of a round only what no row says. */
const quiet: Reporter = { onTestRunEnd: sayErrors };

const usual = { broker: "sqlite", clause: "guarantees,crashes,leases,sharing", times: "20" };

interface Tally {
  readonly broker: string;
  readonly case: string;
  readonly clause: string;
  passed: number;
  skipped: number;
  /** The first line of each failure. */
  readonly failures: string[];
  longest: number;
}

/** Adds one round's rows to what was found so far. */
function add(tallies: Map<string, Tally>, rows: readonly Outcome[]): void {
  for (const { broker, case: name, clause, result, reason = "", seconds = 0 } of rows) {
    const key = `${broker}: ${name}`;
    const tally = tallies.get(key) ?? { broker, case: name, clause, passed: 0, skipped: 0, failures: [], longest: 0 };
    tallies.set(key, tally);
    if (result === "failed") tally.failures.push(reason);
    else if (result === "passed") tally.passed++;
    else tally.skipped++;
    tally.longest = Math.max(tally.longest, seconds);
  }
}

function print(tallies: readonly Tally[], rounds: number, seconds: number): void {
  const ran = tallies.filter(({ passed, failures }) => passed + failures.length > 0);
  console.log(`\n${rounds} rounds in ${seconds.toFixed(0)} s`);
  for (const { broker, clause, case: name, passed, failures, longest } of ran) {
    const counts = `${String(passed).padStart(4)} passed ${String(failures.length).padStart(4)} failed`;
    console.log(`${counts}  at most ${longest.toFixed(1)} s  ${broker}: ${clause}: ${name}`);
    for (const reason of new Set(failures)) console.log(`              ${reason}`);
  }
  const all = (of: (tally: Tally) => number) => tallies.reduce((sum, tally) => sum + of(tally), 0);
  const failed = all(({ failures }) => failures.length);
  console.log(`${all(({ passed }) => passed)} passed, ${failed} failed, ${all(({ skipped }) => skipped)} skipped`);
}

/** A list with commas, of those that there are. */
function chosenOf<Name extends string>(option: string, text: string, allowed: readonly Name[]): Name[] {
  return text.split(",").map((name) => {
    const found = allowed.find((each) => each === name);
    if (!found) throw new Error(`--${option} is "${name}". Allowed: ${allowed.join(", ")}.`);
    return found;
  });
}

/** The brokers side by side, one scenario after the other. */
async function qpsStorm(scenarioNames: string, brokerNames: string, times: number): Promise<void> {
  const scenarios = chosenOf("qps", scenarioNames, Object.keys(qpsScenarios));
  const brokers = chosenOf("broker", brokerNames, qpsBrokers);
  const say = ({ broker, scenario, rate, busiest, stalledMs, seconds }: QpsOutcome) =>
    console.log(
      `${broker} ${scenario}: ${rate.toFixed(2)}/s, busiest second ${busiest}, stalled ${stalledMs.toFixed(0)} ms; ${seconds.join(" ")}`,
    );
  await Promise.all(
    brokers.map(async (broker) => {
      const place = await qpsPlace(broker);
      for (let round = 1; round <= times; round++)
        for (const scenario of scenarios) {
          const outcome = await playQps(broker, scenario, place, round);
          if (outcome.rate < 49.5 || outcome.rate > 50.5 || outcome.busiest > 51) process.exitCode = 1;
          say(outcome);
        }
      await place.close();
    }),
  );
}

const besideWorkers = ["ours", "worker5", "worker6"];
const besideFaults = ["lost", "doubled", "byRules"] as const;

function sayBeside({ jobs, open, kills, cut, stalled, runs, ...faults }: BesideOutcome): void {
  const counts = besideFaults.map((fault) => `${fault} ${faults[fault].length}`).join(", ");
  const by = Object.entries(runs).map(([role, n]) => `${role} ${n}`);
  const memory = `${Math.round(process.memoryUsage.rss() / 1e6)} MB`;
  for (const fault of besideFaults) for (const text of faults[fault].slice(-5)) console.log(`${fault}: ${text}`);
  console.log(`${new Date().toISOString()} jobs ${jobs}, open ${open}, kills ${kills}, ${counts}`);
  console.log(
    `  runs ${by.join(", ")}; ${cut} of ours cut off; ${stalled} stalled by BullMQ's own rule; ${memory} here`,
  );
}

async function besideStorm(minutes: number): Promise<void> {
  if (!(minutes > 0)) throw new Error(`--minutes is "${minutes}". Allowed: more than 0.`);
  const service = await serviceFor("redis", { direct: true });
  if (service.unavailable) throw new Error(service.unavailable);
  const url = service.settings?.REDIS_URL ?? "";
  const options = { url, forMs: minutes * 60_000, leaseMs: 5_000, say: sayBeside };
  const outcome = await playBeside(options).finally(() => service.stop());
  sayBeside(outcome);
  const idle = besideWorkers.filter((role) => !outcome.runs[role]);
  if (idle.length > 0) console.log(`nothing was run by ${idle.join(", ")}`);
  if (idle.length > 0 || besideFaults.some((fault) => outcome[fault].length > 0)) process.exitCode = 1;
}

async function main(): Promise<void> {
  const option = (standard: string) => ({ type: "string", default: standard }) as const;
  const { values } = parseArgs({
    options: {
      json: { type: "string" },
      qps: { type: "string" },
      beside: { type: "boolean", default: false },
      minutes: option("1"),
      broker: option(usual.broker),
      clause: option(usual.clause),
      times: option(usual.times),
    },
  });
  if (values.beside) return besideStorm(Number(values.minutes));
  const times = Number(values.times);
  if (!Number.isInteger(times) || times < 1) throw new Error(`--times is "${values.times}". Allowed: 1, 2, 3 ...`);
  if (values.qps !== undefined) return qpsStorm(values.qps, values.broker, times);
  const choice = choose(values.broker, values.clause);
  const tallies = new Map<string, Tally>();
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1_000;
  for (let round = 1; round <= times; round++) {
    const rows = await runKits(choice, [quiet]);
    add(tallies, rows);
    const failed = rows.filter(({ result }) => result === "failed");
    if (!rows.some(({ result }) => result === "passed") || failed.length > 0) process.exitCode = 1;
    console.log(`round ${round}: ${rows.length} cases, ${failed.length} failed, ${seconds().toFixed(0)} s so far`);
    for (const { broker, case: name, reason } of failed) console.log(`  ${broker}: ${name}: ${reason}`);
  }
  const found = [...tallies.values()];
  if (values.json) writeFileSync(values.json, `${JSON.stringify(found, null, 2)}\n`);
  print(found, times, seconds());
}

main().catch((error: Error) => {
  console.error(`${error.message}\nnpm run storm -- [--broker NAME,...] [--clause NAME,...] [--times N] [--json FILE]`);
  process.exitCode = 1;
});
