/** An engine under boost against the same engine bare, on one server. Bare runs twice in each round: the two against each other are the noise. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { Comparison, EngineBench, Operation } from "./engine.ts";
import { type EngineName, engines } from "./engines.ts";
import { interleave, type RoundsOptions, type Sample } from "./measure.ts";
import { cpus, pairRow, type Row, rates } from "./report.ts";
import type { Answer, Order, Samples } from "./side.ts";

/** `labels`: those comparisons alone; none: all. */
export async function compareEngine(
  engine: EngineName,
  url: string,
  options: RoundsOptions,
  labels: readonly string[] = [],
): Promise<Row[]> {
  const bench = only(await engines[engine](), labels);
  const names = sideNames(bench);
  const sides = new Map(names.map((name) => [name, fork(new URL("side.js", import.meta.url), [engine, name, url])]));
  const rows: Row[] = [];
  try {
    for (const operations of bench.rounds) {
      const takes = (name: string) => operations.filter((operation) => bench.only?.[name]?.includes(operation) ?? true);
      const taking = [...sides].filter(([name]) => takes(name).length > 0);
      const variants = Object.fromEntries(taking.map(([name, side]) => [name, () => ask(side, takes(name))]));
      const say = (text: string) => options.say(`${engine} ${operations.join(" and ")}, ${text}`);
      const samples = await interleave(variants, { ...options, say });
      for (const operation of operations) rows.push(...rowsOf(bench, operation, samples));
    }
  } finally {
    await Promise.all([...sides.values()].map(end));
  }
  return rows;
}

export function only(bench: EngineBench, labels: readonly string[]): EngineBench {
  const known = bench.comparisons.map(({ label }) => label);
  const unknown = labels.find((label) => !known.includes(label));
  if (unknown !== undefined)
    throw new Error(
      `${bench.broker} has no comparison "${unknown}". It has: ${known.map((label) => `"${label}"`).join(", ")}.`,
    );
  return labels.length === 0
    ? bench
    : { ...bench, comparisons: bench.comparisons.filter(({ label }) => labels.includes(label)) };
}

function sideNames({ comparisons }: EngineBench): string[] {
  return [...new Set(comparisons.flatMap(({ side, against }) => [...against, side]))];
}

async function ask(side: ChildProcess, order: readonly Operation[]): Promise<Samples> {
  const listening = new AbortController();
  const { signal } = listening;
  const answered = once(side, "message", { signal }) as Promise<[Answer]>;
  const ended = once(side, "exit", { signal }).then(([code]) =>
    Promise.reject(new Error(`the process of one side ended with ${code}`)),
  );
  side.send(order satisfies Order);
  try {
    const [answer] = await Promise.race([answered, ended]);
    if ("failed" in answer) throw new Error(answer.failed);
    return answer;
  } finally {
    ended.catch(() => {}); // nobody listens any more
    listening.abort();
  }
}

async function end(side: ChildProcess): Promise<void> {
  if (side.exitCode !== null || side.signalCode !== null) return;
  const gone = once(side, "exit");
  side.send("close" satisfies Order);
  const timer = setTimeout(() => side.kill("SIGKILL"), 20_000);
  await gone;
  clearTimeout(timer);
}

export function rowsOf(
  { broker, comparisons }: EngineBench,
  operation: Operation,
  rounds: Readonly<Record<string, readonly Samples[]>>,
): Row[] {
  const samplesOf = (side: string) => (rounds[side] ?? []).map((samples) => samples[operation] as Sample);
  const rows = ({ label, side, against, goals }: Comparison): Row[] => {
    const all = [side, ...against].map(samplesOf);
    if (all.some((samples) => samples[0] === undefined)) return [];
    const [ours = [], ...theirs] = all;
    const name = label ? `${operation}, ${label}` : operation;
    return [
      pairRow({ broker, operation: name, unit: "jobs/s" }, rates(ours), mean(theirs.map(rates)), goals?.[operation]),
      pairRow({ broker, operation: `${name}, CPU`, unit: "us/job" }, cpus(ours), mean(theirs.map(cpus))),
    ];
  };
  return comparisons.flatMap(rows);
}

/** Round by round, the geometric mean of several sides: it halves the noise of what ours is compared with. */
function mean(sides: readonly (readonly number[])[]): number[] {
  const [first = []] = sides;
  return first.map((_, i) => sides.reduce((product, side) => product * (side[i] as number), 1) ** (1 / sides.length));
}
