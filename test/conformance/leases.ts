/** Leases: three processes on one queue, one of them stopped for longer than all that it holds, and let go again. Nothing is done twice. */
import assert from "node:assert/strict";
import type { Task } from "../../src/index.ts";
import { cases } from "./case.ts";
import type { Child } from "./child-process.ts";
import type { Context } from "./context.ts";
import { doubles } from "./track.ts";

const params = ["value", "ms?"];
const perChild = 2;
const heldBy = 3 * perChild;
const laterCount = 5;

/** What a scenario may look at on the way. */
export interface Sleep {
  /** How long the sleeper sleeps at least. */
  readonly sleepMs: number;
  /** How long a task runs that the sleeper holds. */
  readonly runMs: number;
  /** Chooses whom to stop; resolves at the moment to do it. @default the first that holds something */
  choose?(children: readonly Child[]): Promise<Child>;
  /** Called when it has been stopped, and just before and after it goes on. */
  on?(what: "stopped" | "waking" | "awake", sleeper: Child): Promise<void> | void;
}

const values = (children: readonly Child[], kind: "start" | "end") => children.flatMap((child) => child.seen(kind).map(({ value }) => String(value)));

async function crowd(context: Context): Promise<readonly Child[]> {
  const options = { params: { concurrency: perChild, prefetch: 0, rpc: true, ...(context.broker.store ? { record: true } : {}) } };
  return Promise.all([context.child(options), context.child(options), context.child(options)]);
}

/** What it has started and not ended. */
function holdings(child: Child): readonly string[] {
  const ended = values([child], "end");
  return values([child], "start").filter((value) => !ended.includes(value));
}

/** Gives all of them work until the one to stop holds some: which of them takes a message is chance. */
async function findSleeper(context: Context, job: Pick<Job, "push">, children: readonly Child[], { runMs, choose }: Sleep) {
  const names: string[] = [];
  const held: Handle[] = [];
  for (;;) {
    const more = Array.from({ length: heldBy }, (_, n) => `held ${names.length + n}`);
    names.push(...more);
    held.push(...(await Promise.all(more.map((name) => job.push(name, runMs)))));
    await context.until("all have started", () => values(children, "start").length >= names.length, context.patienceMs + 2 * runMs);
    const sleeper = choose ? await choose(children) : children.find((child) => holdings(child).length > 0);
    if (sleeper && holdings(sleeper).length > 0) return { sleeper, names, held };
  }
}

/** Runs it, and finds what was done twice. */
export async function sleepThroughLeases(context: Context, sleep: Sleep): Promise<void> {
  const { until, patienceMs } = context;
  const { sleepMs, runMs, on } = sleep;
  const stored = context.broker.store !== undefined;
  const job = context.task({ params, rpc: true, ...(stored ? { record: true } : {}) }, (_value: unknown, _ms?: number): unknown => undefined);
  const children = await crowd(context);
  const { sleeper, names, held } = await findSleeper(context, job, children, sleep);
  const others = children.filter((child) => child !== sleeper);
  sleeper.signal("SIGSTOP");
  const since = performance.now();
  await on?.("stopped", sleeper);
  const mine = holdings(sleeper);
  assert.ok(mine.length > 0, "the sleeper holds something");
  const later = await Promise.all(Array.from({ length: laterCount }, (_, n) => job.publish([`later ${n}`, 0], { delay: Math.min(sleepMs / 4, 2_000) })));
  const handles = [...held, ...later];
  const all = [...names, ...later.map((_, n) => `later ${n}`)];
  const results = await Promise.all(handles.map((handle) => handle.waitResult({ timeout: sleepMs + 2 * runMs + patienceMs })));
  assert.deepEqual(results, all);
  await until("it has slept long enough", () => performance.now() - since >= sleepMs, sleepMs + patienceMs);
  await on?.("waking", sleeper);
  sleeper.signal("SIGCONT");
  await until("the sleeper has ended what it held", () => mine.every((value) => values([sleeper], "end").includes(value)), runMs + patienceMs);
  await on?.("awake", sleeper);
  const started = () => values(children, "start");
  await context.holds("nothing runs again", () => started().length <= all.length + mine.length, 3 * context.leaseMs).catch(() => {}); // the next line says what
  assert.deepEqual([...started()].sort(), [...all, ...mine].sort(), "each ran once, and what the sleeper held once more, elsewhere");
  assert.deepEqual(doubles(values(others, "start")), [], "what it held ran once elsewhere");
  await until("the queue is empty", async () => (await job.count()) === 0);
  await until("the sleeper holds nothing", async () => ((await sleeper.call("consumer.status")) as { held: number }).held === 0);
  assert.deepEqual(await Promise.all(handles.map((handle) => handle.waitResult({ timeout: patienceMs }))), all);
  if (stored) await kept(context, job, { all, mine, children, sleeper });
}

interface Seen {
  readonly all: readonly string[];
  /** What the sleeper held. */
  readonly mine: readonly string[];
  readonly children: readonly Child[];
  readonly sleeper: Child;
}

type Job = Task<(value: unknown, ms?: number) => unknown>;
type Handle = Awaited<ReturnType<Job["push"]>>;

/** One record for each task, of the process that ended it in time; every run counted once. */
async function kept({ until }: Context, job: Job, { all, mine, children, sleeper }: Seen): Promise<void> {
  const rows = await job.records({ limit: 1_000 });
  assert.deepEqual(rows.map(({ args }) => String(JSON.parse(args)[0])).sort(), [...all].sort());
  const late = rows.filter(({ args, pid }) => mine.includes(String(JSON.parse(args)[0])) && pid === sleeper.pid);
  assert.deepEqual(late, [], "the record of a run that ended in time stands, whatever a late one says");
  const ends = values(children, "end").length;
  await until("all runs are counted", async () => (await job.info()).ran >= ends);
  const { ran, failed, ready = 0, delayed = 0, running = 0 } = await job.info();
  assert.deepEqual({ ran, failed, ready, delayed, running }, { ran: ends, failed: 0, ready: 0, delayed: 0, running: 0 });
}

const needs = ["redelivers", "durable"] as const;

export const leases = cases({
  "what a process had fetched and not started when it was stopped runs once, elsewhere": {
    needs,
    processes: true,
    timeoutMs: 60_000,
    async run(context) {
      const { until, holds, leaseMs } = context;
      const publisher = context.task({ params, rpc: true }, (_value: unknown, _ms?: number) => {});
      const sleeper = await context.child({ params: { concurrency: 1, prefetch: 10, rpc: true } });
      const first = await publisher.push("runs", 3 * leaseMs);
      await until("the first one runs", () => sleeper.seen("start").length === 1);
      const names = ["runs", "one", "two", "three"];
      const handles = [first, ...(await publisher.pushMany(names.slice(1).map((name): [string, number] => [name, 0])))];
      const ahead = (await context.open()).lookahead > 0 ? names.length : 1;
      await until("it has fetched what it may", async () => ((await sleeper.call("consumer.status")) as { held: number }).held === ahead);
      sleeper.signal("SIGSTOP");
      const here: unknown[] = [];
      await context.consume(context.task({ params, rpc: true }, (value: unknown, _ms?: number) => void here.push(value)));
      await Promise.all(handles.map((handle) => handle.waitResult({ timeout: context.patienceMs + 4 * leaseMs })));
      sleeper.signal("SIGCONT");
      await until("the sleeper has ended its run", () => sleeper.seen("end").length === 1);
      await holds("nothing runs once more", () => here.length === names.length && sleeper.seen("start").length === 1, 3 * leaseMs).catch(() => {});
      assert.deepEqual([values([sleeper], "start"), [...here].sort()], [["runs"], [...names].sort()]);
      const later = await publisher.push("again", 0);
      await later.waitResult({ timeout: context.patienceMs });
      await until("the queue is empty", async () => (await publisher.count()) === 0);
    },
  },

  "three processes, one stopped for many leases and let go again: nothing is done twice": {
    needs,
    uses: ["delay"],
    processes: true,
    timeoutMs: 90_000,
    run: (context) => sleepThroughLeases(context, { sleepMs: 8 * context.leaseMs, runMs: 3 * context.leaseMs }),
  },
});

/** At the library's own lease, as users have it. */
export const slowLeases = cases({
  "at defaults three processes, one stopped for a minute and let go again: nothing is done twice": {
    needs,
    uses: ["delay"],
    processes: true,
    timeoutMs: 240_000,
    run: (context) => sleepThroughLeases(context, { sleepMs: 60_000, runMs: context.leaseMs / 2 }),
  },
});
