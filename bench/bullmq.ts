/** funboost on BullMQ against BullMQ alone, at BullMQ's best settings, on one Redis. Bare runs twice in each round: the two against each other are the noise. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { Answer, Operation, Order, SideName } from "./bullmq-side.ts";
import { interleave, type RoundsOptions, type Sample } from "./measure.ts";
import { cpus, type Goal, goals, pairRow, type Row, rates } from "./report.ts";

const sideNames: readonly SideName[] = ["bare", "again", "context", "ours", "rpc", "kept"];

export async function benchBullmq(url: string, options: RoundsOptions): Promise<Row[]> {
  const sides = new Map(sideNames.map((name) => [name, fork(new URL("bullmq-side.js", import.meta.url), [name, url])]));
  const rows: Row[] = [];
  try {
    for (const operation of ["publish", "bulk", "consume"] as const) {
      const taking = [...sides].filter(([name]) => operation === "consume" || (name !== "kept" && name !== "context"));
      const variants = Object.fromEntries(taking.map(([name, side]) => [name, () => ask(side, operation)])) as Record<SideName, () => Promise<Sample>>;
      const samples = await interleave(variants, { ...options, say: (text) => options.say(`bullmq ${operation}, ${text}`) });
      rows.push(...rowsOf(operation, samples));
    }
  } finally {
    await Promise.all([...sides.values()].map(end));
  }
  return rows;
}

async function ask(side: ChildProcess, order: Operation): Promise<Sample> {
  const listening = new AbortController();
  const { signal } = listening;
  const answered = once(side, "message", { signal }) as Promise<[Answer]>;
  const ended = once(side, "exit", { signal }).then(([code]) => Promise.reject(new Error(`the process of one side ended with ${code}`)));
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
  const timer = setTimeout(() => side.kill("SIGKILL"), 10_000);
  await gone;
  clearTimeout(timer);
}

function rowsOf(operation: Operation, samples: Partial<Record<SideName, Sample[]>>): Row[] {
  const { bare = [], again = [], context, ours = [], rpc = [], kept } = samples;
  // Both bare runs of a round together: that halves the noise of what ours is compared with.
  const bareOf = (read: typeof rates) => {
    const second = read(again);
    return read(bare).map((value, i) => Math.sqrt(value * (second[i] as number)));
  };
  const rows = (operation: string, side: readonly Sample[], goal?: Goal) => [
    pairRow({ broker: "bullmq", operation, unit: "jobs/s" }, rates(side), bareOf(rates), goal),
    pairRow({ broker: "bullmq", operation: `${operation}, CPU`, unit: "us/job" }, cpus(side), bareOf(cpus)),
  ];
  return [
    pairRow({ broker: "bullmq", operation: `${operation}, bare against bare`, unit: "jobs/s" }, rates(again), rates(bare)),
    pairRow({ broker: "bullmq", operation: `${operation}, bare against bare, CPU`, unit: "us/job" }, cpus(again), cpus(bare)),
    ...(context ? rows(`${operation}, bare beside an AsyncLocalStorage`, context) : []),
    ...rows(operation, ours, goals.ratioAbove(0.95)),
    ...rows(`${operation}, rpc`, rpc),
    ...(kept ? rows(`${operation}, done jobs kept`, kept) : []),
  ];
}
