/** Leases: three processes on one queue, one of them stopped for longer than all that it holds, and let go again. Nothing is done twice. */
import assert from "node:assert/strict";
import type { Task } from "../../src/index.ts";
import { cases } from "./case.ts";
import type { Child } from "./child-process.ts";
import type { Context } from "./context.ts";
import { machineMs } from "./machine.ts";
import { stop } from "./standstill.ts";
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
  /** Chooses whom to stop; resolves at the moment to do it. @default the first that holds something for a while yet */
  choose?(children: readonly Child[]): Promise<Child>;
  /** Called when it has been stopped, and just before and after it goes on. */
  on?(what: "stopped" | "waking" | "awake", sleeper: Child): Promise<void> | void;
}

const values = (children: readonly Child[], kind: "start" | "end") =>
  children.flatMap((child) => child.seen(kind).map(({ value }) => String(value)));

async function crowd(context: Context): Promise<readonly Child[]> {
  const options = {
    settlements: true,
    params: { concurrency: perChild, prefetch: 0, rpc: true, ...(context.broker.store ? { record: true } : {}) },
  };
  return Promise.all([context.child(options), context.child(options), context.child(options)]);
}

/** What it has started and not ended. */
function holdings(child: Child): readonly string[] {
  const ended = values([child], "end");
  return values([child], "start").filter((value) => !ended.includes(value));
}

/** How the engine took the end of what it ran, as far as it has told. */
function settlements(child: Child, outcome?: "applied" | "stale"): readonly string[] {
  const names = new Map(child.seen("start").map(({ taskId, value }) => [taskId, String(value)]));
  const settled = child.seen("settled").filter((each) => outcome === undefined || each.outcome === outcome);
  return settled.flatMap(({ taskId }) => names.get(taskId) ?? []);
}

/** A run of `runMs` that began this lately cannot end before its process stops, whatever is still on its way to us. */
function holdsForLonger(child: Child, runMs: number): boolean {
  const since = machineMs() - runMs / 2;
  const fresh = child.seen("start").filter(({ atMs = 0 }) => atMs > since);
  return fresh.some(({ value }) => holdings(child).includes(String(value)));
}

/** Gives all of them work until one that holds some has been stopped: which of them takes a message is chance. */
async function stopOne(context: Context, job: Pick<Job, "push">, children: readonly Child[], { runMs, choose }: Sleep) {
  const names: string[] = [];
  const held: Handle[] = [];
  for (;;) {
    const more = Array.from({ length: heldBy }, (_, n) => `held ${names.length + n}`);
    names.push(...more);
    held.push(...(await Promise.all(more.map((name) => job.push(name, runMs)))));
    await context.until(
      "all have started",
      () => values(children, "start").length >= names.length,
      context.patienceMs + 2 * runMs,
    );
    const sleeper = choose ? await choose(children) : children.find((child) => holdsForLonger(child, runMs));
    if (sleeper && holdsForLonger(sleeper, runMs) && (await stop(context, sleeper))) return { sleeper, names, held };
  }
}

/** Runs it, and finds what was done twice. */
export async function sleepThroughLeases(context: Context, sleep: Sleep): Promise<void> {
  const { until, patienceMs } = context;
  const { sleepMs, runMs, on } = sleep;
  const stored = context.broker.store !== undefined;
  const job = context.task(
    { params, rpc: true, ...(stored ? { record: true } : {}) },
    (_value: unknown, _ms?: number): unknown => undefined,
  );
  const children = await crowd(context);
  const { sleeper, names, held } = await stopOne(context, job, children, sleep);
  const since = performance.now();
  await on?.("stopped", sleeper);
  const later = await Promise.all(
    Array.from({ length: laterCount }, (_, n) =>
      job.publish([`later ${n}`, 0], { delay: Math.min(sleepMs / 4, 2_000) }),
    ),
  );
  const handles = [...held, ...later];
  const all = [...names, ...later.map((_, n) => `later ${n}`)];
  const results = await Promise.all(
    handles.map((handle) => handle.waitResult({ timeout: sleepMs + 2 * runMs + patienceMs })),
  );
  assert.deepEqual(results, all);
  await until("it has slept long enough", () => performance.now() - since >= sleepMs, sleepMs + patienceMs);
  const mine = holdings(sleeper); // by now all that it said before it stopped has arrived
  assert.ok(mine.length > 0, "the sleeper holds something");
  const ending = endingOf(sleeper);
  await on?.("waking", sleeper);
  sleeper.signal("SIGCONT");
  await until(
    "the sleeper has ended what it held",
    () => mine.every((value) => values([sleeper], "end").includes(value)),
    runMs + patienceMs,
  );
  await on?.("awake", sleeper);
  await once(context, { all, mine, ending, children, sleeper });
  await until("the queue is empty", async () => (await job.count()) === 0);
  await until(
    "the sleeper holds nothing",
    async () => ((await sleeper.call("consumer.status")) as { held: number }).held === 0,
  );
  assert.deepEqual(await Promise.all(handles.map((handle) => handle.waitResult({ timeout: patienceMs }))), all);
  if (stored) await kept(context, job, { all, mine, children, sleeper });
}

/** What has ended in it and is not yet settled, as far as it told: when its process stops there, the message may come again elsewhere. */
function endingOf(child: Child): readonly string[] {
  const settled = settlements(child);
  return values([child], "end").filter((value) => !settled.includes(value));
}

/** Each ran once, and what the sleeper held or was just settling once more, elsewhere; but nothing that the engine took from the sleeper. */
async function once({ until, holds, leaseMs }: Context, { all, mine, ending, children, sleeper }: Ran): Promise<void> {
  const others = children.filter((child) => child !== sleeper);
  const elsewhere = () => values(others, "start");
  const again = () => ending.filter((value) => elsewhere().includes(value));
  const started = () => values(children, "start");
  await holds(
    "nothing runs again",
    () => started().length <= all.length + mine.length + again().length,
    3 * leaseMs,
  ).catch(() => {}); // the next line says what
  assert.deepEqual(
    [...started()].sort(),
    [...all, ...mine, ...again()].sort(),
    "each ran once, and what the sleeper held once more, elsewhere",
  );
  assert.deepEqual(doubles(elsewhere()), [], "what it held ran once elsewhere");
  await until("the engine has answered each end of the sleeper", () =>
    values([sleeper], "end").every((value) => settlements(sleeper).includes(value)),
  );
  const taken = settlements(sleeper, "applied").filter((value) => elsewhere().includes(value));
  assert.deepEqual(taken, [], "what ran elsewhere too was not the sleeper's to settle");
}

interface Ran extends Seen {
  /** What the sleeper had ended, and perhaps not settled. */
  readonly ending: readonly string[];
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
  assert.deepEqual(
    { ran, failed, ready, delayed, running },
    { ran: ends, failed: 0, ready: 0, delayed: 0, running: 0 },
  );
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
      const runMs = 6 * leaseMs;
      const first = await publisher.push("runs", runMs);
      await until("the first one runs", () => sleeper.seen("start").length === 1);
      const names = ["runs", "one", "two", "three"];
      const handles = [first, ...(await publisher.pushMany(names.slice(1).map((name): [string, number] => [name, 0])))];
      const ahead = (await context.open()).lookahead > 0 ? names.length : 1;
      await until(
        "it has fetched what it may",
        async () => ((await sleeper.call("consumer.status")) as { held: number }).held === ahead,
      );
      do
        assert.ok(
          holdsForLonger(sleeper, runMs),
          "the machine is too slow for this case: the run may end before its process stops",
        );
      while (!(await stop(context, sleeper)));
      const here: unknown[] = [];
      await context.consume(
        context.task({ params, rpc: true }, (value: unknown, _ms?: number) => void here.push(value)),
      );
      await Promise.all(handles.map((handle) => handle.waitResult({ timeout: context.patienceMs + runMs + leaseMs })));
      sleeper.signal("SIGCONT");
      await until("the sleeper has ended its run", () => sleeper.seen("end").length === 1);
      await holds(
        "nothing runs once more",
        () => here.length === names.length && sleeper.seen("start").length === 1,
        3 * leaseMs,
      ).catch(() => {});
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
