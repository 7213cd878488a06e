/** Crashes: what a message remembers when its process dies, stops or falls asleep. */
import assert from "node:assert/strict";
import { fct } from "../../src/index.ts";
import { bench, done, messages } from "./bench.ts";
import { cases } from "./case.ts";
import type { Child } from "./child-process.ts";
import type { Context } from "./context.ts";
import { endsOf, startsOf, stopInRun } from "./standstill.ts";
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
