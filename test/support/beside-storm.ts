/** Producers and workers of BullMQ 5 and 6 beside ours on one queue, each killed at random. Each job is judged and removed soon after its end. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Queue } from "bullmq";
import { workerName } from "../../adapters/bullmq/tools.ts";
import { sleep } from "../../src/base/clock.ts";
import { type BesideProcesses, startBeside } from "./beside-processes.ts";
import { createLedger, type Ledger, type Seen, type Start } from "./beside-seen.ts";

const strikeEveryMs = 700;
const sweepEvery = 8;
/** More are not open at once: a machine that cannot follow would fill its memory. */
const mostOpen = 4_000;
const endedWithinMs = 60_000;

export interface BesideOutcome {
  jobs: number;
  /** Of them, those that are open still. */
  open: number;
  kills: number;
  /** Runs that began, by who ran them. */
  readonly runs: Record<string, number>;
  /** Runs of ours that a kill cut off. */
  cut: number;
  /** Jobs that BullMQ failed as stalled, by its own rule. */
  stalled: number;
  readonly lost: string[];
  /** Runs beside, or after, one of the same attempt that nobody had killed. */
  readonly doubled: string[];
  /** Jobs that ended otherwise than their own rules say. */
  readonly byRules: string[];
}

export interface BesideStorm {
  readonly url: string;
  readonly forMs: number;
  /** How long a run is its process's own: theirs and ours. */
  readonly leaseMs: number;
  /** Called each minute. */
  readonly say?: (outcome: BesideOutcome) => void;
}

/** By its own rules: state and attempts made. */
const ends: Readonly<Record<string, string>> = {
  ...{ good: "completed 1", delayed: "completed 1", prioritized: "completed 1", lifo: "completed 1" },
  ...{ removed: "unknown", bad: "failed 1", "bad 3": "failed 3", "good at 3": "completed 3", never: "failed 1" },
};

type Fault = "lost" | "doubled" | "byRules" | "open" | "stalled" | "never added" | undefined;

/** What is wrong with how it ended; undefined: nothing. */
async function endOf(native: Queue, id: string, { name, added, starts }: Seen): Promise<[Fault, string]> {
  const state = await native.getJobState(id);
  const job = await native.getJob(id);
  if (!job && state !== "unknown") return ["open", state];
  const done = new Set(starts.filter(({ ended }) => ended).map(({ attempt }) => attempt)).size;
  if (!job) {
    if (!added && starts.length === 0) return ["never added", ""]; // its producer died first
    const removes = name === "removed" || (id.startsWith("producer-") && name.startsWith("good"));
    return [removes && done === (name === "good at 3" ? 3 : 1) ? undefined : "lost", "gone"];
  }
  const { processedBy = "a worker of theirs" } = job;
  const found = `${state} ${job.attemptsMade} ${job.failedReason ?? ""} (last with ${processedBy})`;
  if (state !== "completed" && state !== "failed") return ["open", found];
  // BullMQ's own rule: what was lost twice has failed. What ours alone lost has not. One that was killed between its
  // fetch and its run has written nothing down.
  const isLost = ({ role, ended }: Start, i: number) => role !== "ours" && (!ended || i === starts.length - 1);
  const lostByOthers = starts.some(isLost) || processedBy !== workerName;
  if (state === "failed" && lostByOthers && job.failedReason?.includes("stalled")) return ["stalled", found];
  const fits = `${state} ${job.attemptsMade}` === ends[name] && done === job.attemptsMade;
  return [fits ? undefined : "byRules", found];
}

/** Is there a run of the same attempt beside, or after, one that nobody had killed until then? */
function isDoubled({ starts }: Seen, killedAt: ReadonlyMap<number, number>): boolean {
  return starts.some(({ attempt, at }, i) =>
    starts.slice(0, i).some((other) => other.attempt === attempt && (killedAt.get(other.n) ?? Infinity) > at),
  );
}

interface World {
  readonly native: Queue;
  readonly ledger: Ledger;
  readonly processes: BesideProcesses;
  readonly outcome: BesideOutcome;
}

async function judge({ native, ledger, processes, outcome }: World, id: string, one: Seen, isLast: boolean) {
  const { at } = one;
  const [fault, found] = await endOf(native, id, one);
  ledger.read();
  if (!isLast && (fault === "open" || one.at !== at)) return; // it has run meanwhile
  ledger.seen.delete(id);
  if (fault === "never added") return;
  outcome.jobs++;
  for (const { role, ended } of one.starts) {
    outcome.runs[role] = (outcome.runs[role] ?? 0) + 1;
    if (role === "ours" && !ended) outcome.cut++;
  }
  const text = `${id} "${one.name}": ${found}, ${JSON.stringify(one.starts)}`;
  if (fault === "stalled") outcome.stalled++;
  else if (fault) outcome[fault === "open" ? "lost" : fault].push(text);
  if (isDoubled(one, processes.killedAt)) outcome.doubled.push(text);
  await native.remove(id);
}

/** Judges what nobody has written of for a while. */
async function sweep(world: World, quietMs: number, isLast = false): Promise<void> {
  const { ledger, outcome, processes } = world;
  ledger.read();
  const before = Date.now() - quietMs;
  const due = [...ledger.seen].filter(([, { at }]) => at <= before);
  for (let i = 0; i < due.length; i += 200)
    await Promise.all(due.slice(i, i + 200).map(([id, one]) => judge(world, id, one, isLast)));
  for (const line of ledger.late.splice(0)) outcome.doubled.push(`after its end: ${line}`);
  Object.assign(outcome, { open: ledger.seen.size, kills: processes.killedAt.size });
}

async function storm(world: World, { forMs, leaseMs, say = () => {} }: BesideStorm): Promise<void> {
  const { native, ledger, processes, outcome } = world;
  const end = Date.now() + forMs;
  let said = Date.now();
  for (let i = 1; Date.now() < end; i++, await sleep(strikeEveryMs)) {
    await processes.strike(ledger.seen.size > mostOpen);
    if (i % sweepEvery === 0) await sweep(world, 3 * leaseMs);
    if (Date.now() < said + 60_000) continue;
    said = Date.now();
    say(outcome);
  }
  await processes.killProducers();
  const open = () => native.getJobCountByTypes("wait", "prioritized", "delayed", "active");
  for (const last = Date.now() + endedWithinMs; Date.now() < last && (await open()) > 0; ) await sleep(500);
  await sleep(500); // what has ended is written down a moment before
  await sweep(world, 0, true);
}

export async function playBeside(options: BesideStorm): Promise<BesideOutcome> {
  const folder = mkdtempSync(join(tmpdir(), "funboost-beside-"));
  const prefix = `storm${process.pid}${Date.now().toString(36)}`;
  const [queue, file] = ["storm", join(folder, "seen")];
  const { url, leaseMs } = options;
  const outcome: BesideOutcome = {
    ...{ jobs: 0, open: 0, kills: 0, cut: 0, stalled: 0, runs: {} },
    ...{ lost: [], doubled: [], byRules: [] },
  };
  const ledger = createLedger(file);
  const processes = startBeside({ url, prefix, queue, file, leaseMs });
  const native = new Queue(queue, { connection: { url } as never, prefix });
  try {
    await sleep(3_000);
    await storm({ native, ledger, processes, outcome }, options);
    return outcome;
  } finally {
    await processes.killAll();
    await native.obliterate({ force: true });
    await native.close();
    ledger.close();
    rmSync(folder, { recursive: true });
  }
}
