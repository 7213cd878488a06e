/** Crashes: what a message remembers when its process dies, stops or falls asleep. */
import assert from "node:assert/strict";
import { fct } from "../../src/index.ts";
import { bench, done, messages } from "./bench.ts";
import { cases } from "./case.ts";
import type { Child } from "./child-process.ts";
import type { Context } from "./context.ts";
import { reasonOf } from "./dead-letters.ts";
import { respawning } from "./guarantees.ts";
import { endsOf, startsOf, stopInRun } from "./standstill.ts";
import { range } from "./track.ts";
import { within, working } from "./until.ts";

const params = ["value", "ms?"];
const needs = ["redelivers", "durable"] as const;

function publisherOf({ task }: Context) {
  return task({ params, rpc: true }, (_value: unknown, _ms?: number): unknown => undefined);
}

/** Consumes the queue here; answers the attempts that it saw. */
async function attemptsHere(context: Context, result?: unknown): Promise<(number | undefined)[]> {
  const attempts: (number | undefined)[] = [];
  const here = context.task({ params, rpc: true, maxRetries: 0 }, (_value: unknown, _ms?: number) => {
    attempts.push(fct.attempt);
    return result;
  });
  await context.consume(here);
  return attempts;
}

/** A run that goes on after its process has slept longer than its lease, and after another process has ended the same message. */
async function overslept(context: Context) {
  const publisher = publisherOf(context);
  const sleeper = await context.child({ params: { concurrency: 1, rpc: true } });
  const { n, handle } = await stopInRun(context, sleeper, (n, ms) => publisher.push(n, ms));
  const attempts = await attemptsHere(context, "the other's");
  assert.equal(await handle.waitResult({ timeout: context.patienceMs }), "the other's");
  sleeper.signal("SIGCONT");
  await context.until("the sleeper has ended its run", () => endsOf(sleeper, n) === 1);
  return { handle, attempts, runs: () => attempts.length + startsOf(sleeper, n) };
}

const holdsNothing = async (child: Child) => ((await child.call("consumer.status")) as { held: number }).held === 0;

type Job = ReturnType<typeof publisherOf>;

/** Publishes one message each 100 ms; the answered function ends that, and answers how many there were. */
function publishFresh(context: Context, job: Job): () => Promise<number> {
  const pushes: Promise<unknown>[] = [];
  const timer = setInterval(() => pushes.push(job.push(`fresh ${pushes.length}`, 0)), 100);
  context.defer(() => clearInterval(timer));
  return async () => {
    clearInterval(timer);
    return (await Promise.all(pushes)).length;
  };
}

/** The longest time in which a process that lived started nothing fresh. */
function longestGap(children: readonly Child[]): number {
  const gaps = children.flatMap((child) => {
    const starts = child
      .seen("start")
      .map(({ value, atMs = 0 }) => ({ atMs, fresh: String(value).startsWith("fresh") }));
    const at = starts.flatMap(({ atMs, fresh }, i) => (fresh || i === 0 || i === starts.length - 1 ? [atMs] : []));
    return at.map((each, i) => each - (at[i - 1] ?? each));
  });
  return Math.max(0, ...gaps);
}

interface Poisoned {
  readonly runs: number;
  readonly poisons: number;
  /** How long a run takes. */
  readonly ms: number;
}

/** Runs of which some kill, and fresh work beside them. */
async function poisoned(context: Context, { runs: n, poisons, ms }: Poisoned): Promise<void> {
  const { until } = context;
  const options = { rpc: true, deadLetter: true };
  const job = context.task({ params, ...options }, (_value: unknown, _ms?: number): unknown => undefined);
  const isPoison = (i: number) => i >= n / 2 && i < n / 2 + poisons;
  const handles = await job.pushMany(range(n).map((i) => (isPoison(i) ? ["poison", 0] : [`old ${i}`, ms])));
  const worker = { concurrency: n, maxCrashes: 1, ...options };
  const { children, stop } = respawning(context, { behaviour: "poison", params: worker });
  const endFresh = publishFresh(context, job);
  const ends = () => children.flatMap((child) => child.seen("end").map(({ value }) => String(value)));
  const ended = (kind: string) => new Set(ends().filter((value) => value.startsWith(kind))).size;
  await until("the neighbours have ended", () => ended("old") === n - poisons, 120_000);
  const gapMs = longestGap(children);
  assert.ok(gapMs < 2 * ms + 3_000, `no fresh message has started for ${Math.round(gapMs)} ms`);
  await until("what kills is dead", async () => (await job.deadLetters.count()) === poisons, 120_000);
  const fresh = await endFresh();
  await until("fresh messages have ended", () => ended("fresh") === fresh);
  const letters = await job.deadLetters.list(100);
  assert.deepEqual(
    letters.map(({ body }) => (body as { readonly value?: unknown }).value),
    Array(poisons).fill("poison"),
  );
  for (const { body } of letters) assert.match(reasonOf(body), /process died/);
  const records = await Promise.all(handles.filter((_, i) => isPoison(i)).map((handle) => handle.waitRecord()));
  assert.ok(records.every(({ status }) => status === "dead"));
  await stop();
}

export const crashes = cases({
  "a retry that waits keeps its attempt when its process is killed": {
    needs,
    feature: "retry",
    processes: true,
    async run(context) {
      const handle = await publisherOf(context).push("again");
      const backoff = { type: "fixed", base: 700, jitter: false };
      const first = await context.child({ behaviour: "failing", params: { rpc: true, maxRetries: 3, backoff } });
      await context.until(
        "it has failed once, and waits",
        async () => first.seen("start").length === 1 && (await holdsNothing(first)),
      );
      await first.kill();
      const attempts = await attemptsHere(context, "second");
      assert.equal(await handle.waitResult({ timeout: context.patienceMs }), "second");
      assert.deepEqual(attempts, [2]);
    },
  },

  "a crash keeps the attempt that earlier failures had reached": {
    needs,
    feature: "retry",
    processes: true,
    async run(context) {
      const handle = await publisherOf(context).push("again", 60_000);
      const first = await context.child({ behaviour: "failing", params: { rpc: true, maxRetries: 3, backoff: 0 } });
      await context.until("its second attempt runs", () => first.seen("start").length === 2);
      await first.kill();
      const attempts = await attemptsHere(context, "second");
      assert.equal(await handle.waitResult({ timeout: context.patienceMs }), "second");
      assert.deepEqual(attempts, [2]);
    },
  },

  "a crash in the second attempt counts as a crash, not as an attempt": {
    needs: [...needs, "retry"],
    processes: true,
    async run(context) {
      await publisherOf(context).push("again", 60_000);
      const first = await context.child({ behaviour: "failing", params: { rpc: true, maxRetries: 3, backoff: 0 } });
      await context.until("its second attempt runs", () => first.seen("start").length === 2);
      await first.kill();
      const queue = await context.open();
      const { consumer, deliveries } = await bench(context, queue);
      consumer.setWindow(1);
      const rescue = setInterval(
        () => void queue.maintain?.(new AbortController().signal).catch(() => {}),
        context.leaseMs / 4,
      );
      context.defer(() => clearInterval(rescue));
      await context.until("it is delivered again", () => deliveries.length === 1);
      assert.deepEqual([deliveries[0]?.attempt, deliveries[0]?.crashes], [2, 1]);
    },
  },

  "a lease that lapsed while the server stood still is its holder's to renew, before others get it": {
    needs,
    timeoutMs: 60_000,
    async run(context) {
      const { leaseMs } = context;
      const queue = await context.open();
      const { consumer, held, deliveries, settled } = await bench(context, queue);
      // An engine that renews or rescues by itself is never seen to stand still here.
      if (!consumer.renew || !queue.maintain) return;
      const maintain = async () => void (await queue.maintain?.(new AbortController().signal));
      await queue.publish(messages(1));
      consumer.setWindow(1);
      await context.until("it is delivered", () => held.length === 1);
      // Nobody renews, nobody looks: as long as the server answers nobody. The second time there was a look before.
      for (let standstill = 0; standstill < 2; standstill++) {
        await working(1.5 * leaseMs);
        await maintain();
      }
      for (let turn = 0; turn < 12; turn++) {
        await consumer.renew();
        await maintain();
        await working(leaseMs / 8);
      }
      held[0]?.settle(done);
      await context.until("it has ended", () => settled.length === 1);
      assert.deepEqual([deliveries.length, settled], [1, [{ n: 0, how: "applied" }]]);
    },
  },

  "a process that slept through its lease ends its run too late: it changes nothing": {
    needs,
    processes: true,
    async run(context) {
      const { attempts, runs } = await overslept(context);
      await context.holds("it does not run a third time", () => runs() === 2, context.leaseMs);
      assert.deepEqual(attempts, [1]);
      await context.until("the queue is empty", async () => (await publisherOf(context).count()) === 0);
    },
  },

  "the result of a run that ended in time stands, whatever a late one says": {
    needs,
    processes: true,
    async run(context) {
      const { handle } = await overslept(context);
      await context.holds(
        "the result stands",
        async () => (await handle.record())?.result === "the other's",
        context.leaseMs / 2,
      );
    },
  },

  "fifty runs of which one kills its process: fresh work goes on between their trials, and it alone is dead, with its reason":
    {
      needs,
      processes: true,
      waits: true,
      timeoutMs: 300_000,
      run: (context) => poisoned(context, { runs: 50, poisons: 1, ms: 300 }),
    },

  "eight runs of which three kill their process: fresh work goes on between their trials, and no other is dead": {
    needs,
    processes: true,
    waits: true,
    timeoutMs: 300_000,
    run: (context) => poisoned(context, { runs: 8, poisons: 3, ms: 600 }),
  },

  "runs that only waited when their process was killed twice hold up nothing": {
    needs,
    uses: ["delay"],
    processes: true,
    waits: true,
    async run(context) {
      const job = publisherOf(context);
      await job.publish(["later"], { taskId: "later", delay: "10m" });
      await job.pushMany(range(15).map((i) => [i, 6_000]));
      const worker = () => context.child({ behaviour: "waiting", params: { rpc: true } });
      for (const kills of range(2)) {
        const child = await worker();
        await context.until(`all run, after ${kills} kills`, () => child.seen("start").length === 15);
        await working(500); // for them to wait
        await child.kill();
      }
      const last = await worker();
      await context.until("the first are back", () => last.seen("start").length > 0);
      await job.pushMany(range(5).map((i) => [`fresh ${i}`, 0]));
      const ended = (fresh: boolean) =>
        last.seen("end").filter(({ value }) => String(value).startsWith("fresh") === fresh).length;
      await context.until("fresh messages have run", () => ended(true) === 5, 3_000);
      await context.until("those that waited have ended", () => ended(false) === 15);
    },
  },

  "a process that stops before its run has ended uses up no attempt": {
    needs,
    processes: true,
    async run(context) {
      const handle = await publisherOf(context).push("long", 60_000);
      const first = await context.child({ params: { rpc: true, maxRetries: 0 } });
      await context.until("it runs", () => first.seen("start").length === 1);
      await within("it stops although its run goes on", first.call("shutdown", { grace: 200 }), 10_000);
      await first.kill();
      const attempts = await attemptsHere(context, "elsewhere");
      assert.equal(await handle.waitResult({ timeout: context.patienceMs }), "elsewhere");
      assert.deepEqual(attempts, [1]);
    },
  },
});
