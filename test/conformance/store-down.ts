/** The store is down while the broker is up, one case for each control: nothing is lost or done twice, it is said once, and all goes on by itself. */
import assert from "node:assert/strict";
import { fct, type Logger, RequeueError, withLock } from "../../src/index.ts";
import type { Case } from "./case.ts";
import type { CaseParams, Context } from "./context.ts";
import type { Outage, StoreSwitch } from "./store-switch.ts";
import { doubles, each, range, sorted, track } from "./track.ts";
import { gate, rejection, working } from "./until.ts";

/** Long enough for every poll to look once. */
const lookMs = 600;

interface Down extends Context {
  readonly how: Outage;
  /** Of each task: what is said in the case. */
  readonly log: NonNullable<CaseParams["log"]>;
  /** Takes the store away; where its calls fail, until that was said. */
  off(): Promise<void>;
  /** Brings it back. */
  on(): Promise<void>;
}

type Work = Pick<Case, "feature" | "uses" | "needs"> & { readonly run: (down: Down) => Promise<void> };

/** Each case for a store whose calls fail, and for one whose calls hang until it is back. */
function both<Name extends string>(list: Readonly<Record<Name, Work | Work["run"]>>) {
  const named = Object.entries<Work | Work["run"]>(list).flatMap(([name, work]) =>
    (["fails", "hangs"] as const).map((how) => [
      `a store that ${how}: ${name}`,
      outageCase(how, typeof work === "function" ? { run: work } : work),
    ]),
  );
  return Object.fromEntries(named) as Readonly<Record<`a store that ${Outage}: ${Name}`, Case>>;
}

function outageCase(how: Outage, { run, ...needs }: Work): Case {
  return {
    ...needs,
    outage: true,
    timeoutMs: 60_000,
    async run(context) {
      const lines: string[] = [];
      const say = (_: object, text: string) => void lines.push(text);
      const logger: Logger = { debug() {}, info: say, warn: say, error: say };
      const said = (text: string) => lines.filter((line) => line.startsWith(text)).length;
      const { until } = context;
      let outages = 0;
      const off: StoreSwitch["off"] = (kind) => {
        outages++;
        context.storeSwitch.off(kind);
      };
      const storeSwitch = { ...context.storeSwitch, off };
      const down: Down = {
        ...context,
        storeSwitch,
        how,
        log: { level: "info", logger },
        async off() {
          off(how);
          if (how === "fails" && outages === 1)
            await until("it is said", () => said("the store does not answer") === 1);
        },
        async on() {
          storeSwitch.on();
          if (how === "fails" && outages === 1)
            await until("it is said that it is over", () => said("the store answers again") === 1);
        },
      };
      try {
        await run(down);
      } finally {
        storeSwitch.on();
      }
      assert.ok(
        said("the store does not answer") <= outages,
        `said ${said("the store does not answer")} times: ${lines.join("\n")}`,
      );
      assert.equal(said("trouble with the broker"), 0, "the broker was blamed");
    },
  };
}

const isEmpty = async ({ count }: { count(): Promise<number> }) => (await count()) === 0;

/** False: the second one ran, but only after the claim of the first, of which two leases are held, had run out. */
async function endsLate(
  { task, consume, until, holds, off, on, log, queue, leaseMs }: Down,
  n: number,
): Promise<boolean> {
  const door = gate();
  const at: number[] = [];
  const seen = track<number>();
  const job = task({ queue: `${queue}-${n}`, filter: true, concurrency: 2, prefetch: 0, log }, () => {
    at.push(performance.now());
    return seen.run(n, () => door.opened);
  });
  await consume(job);
  const pushedAt = performance.now();
  await job.push();
  await until("it runs", () => seen.running === 1);
  await off();
  door.open();
  await job.push();
  await until("it has ended", () => seen.ended.length === 1);
  const waited = await holds("its equal does not start", () => seen.started.length === 1, lookMs).then(
    () => true,
    () => false,
  );
  await on();
  await until("the queue is empty", () => isEmpty(job));
  if (waited && seen.started.length === 1) return true;
  assert.ok((at[1] ?? 0) - pushedAt >= 2 * leaseMs, "its equal ran too");
  return false;
}

export const storeDown = both({
  async "results are kept until it is back, their tasks run once, and no more are fetched than there are slots"(down) {
    const { task, consume, until, holds, off, on, log, features, patienceMs } = down;
    const door = gate();
    const seen = track<number>();
    const job = task({ rpc: true, concurrency: 3, prefetch: 0, log }, (n: number) =>
      seen.run(n, () => door.opened.then(() => n * 2)),
    );
    const handles = await job.pushMany(each(8));
    await consume(job);
    await until("three run", () => seen.running === 3);
    await off();
    let answered = 0;
    const results = Promise.all(
      handles.map((handle) => handle.waitResult({ timeout: patienceMs }).finally(() => answered++)),
    );
    results.catch(() => {}); // looked at below
    door.open();
    await until("the three have ended", () => seen.ended.length >= 3);
    if (!features.results) await holds("the others wait", () => seen.started.length === 3 && answered === 0, lookMs);
    const late = await job.push(8);
    await on();
    assert.deepEqual(
      await results,
      range(8).map((n) => n * 2),
    );
    assert.equal(await late.waitResult({ timeout: patienceMs }), 16);
    assert.deepEqual(doubles(seen.started), []);
  },

  async "rows are written when it is back, one for each task"({ task, consume, until, holds, off, on, log }) {
    const door = gate();
    const seen = track<number>();
    const job = task({ record: true, concurrency: 2, prefetch: 0, log }, (n: number) => seen.run(n, () => door.opened));
    await job.pushMany(each(6));
    await consume(job);
    await until("two run", () => seen.running === 2);
    await off();
    door.open();
    await until("the two have ended", () => seen.ended.length === 2);
    await holds("the others wait", () => seen.started.length === 2, lookMs);
    await on();
    await until("there are six rows", async () => (await job.records()).length === 6);
    assert.ok((await job.records()).every(({ status }) => status === "done"));
    await until("the queue is empty", () => isEmpty(job));
    assert.deepEqual(doubles(seen.started), []);
  },

  async "a filter starts nothing, and of equal messages one runs afterwards"({
    task,
    consume,
    until,
    holds,
    off,
    on,
    log,
    how,
  }) {
    const seen = track<number>();
    const job = task({ filter: true, concurrency: 2, prefetch: 0, log }, (n: number) => seen.run(n));
    const consumer = await consume(job);
    await off();
    await job.pushMany([[1], [1], [2], [2], [1]]);
    if (how === "fails") await until("nothing is held", () => consumer.status().held === 0);
    await holds("nothing starts", () => seen.started.length === 0 && consumer.status().held <= 2, lookMs);
    await on();
    await until("two have run", () => seen.ended.length >= 2);
    await until("the queue is empty", () => isEmpty(job));
    assert.deepEqual(sorted(seen.started), [1, 2]);
  },

  async "what a filter has let run is not run again when its end is written late"(down) {
    // Where the machine takes longer than a claim is held, nothing is proven, and another try begins.
    for (let n = 1; !(await endsLate(down, n)); n++);
  },

  async "what a filter cannot claim is not published, not even later"({
    task,
    consume,
    until,
    holds,
    storeSwitch,
    how,
  }) {
    const seen = track<number>();
    const job = task({ filter: { when: "published", ttl: "1h" }, publishTimeout: "8s" }, (n: number) => seen.run(n));
    await job.count();
    storeSwitch.off(how);
    const error = await rejection(job.push(1));
    assert.deepEqual([error.code, error.accepted], ["PUBLISH_FAILED", []]);
    storeSwitch.on();
    await consume(job);
    await holds("nothing is delivered", () => seen.started.length === 0, lookMs);
    assert.equal((await job.push(1)).existing, false);
    await until("it has run", () => seen.ended.length === 1);
    assert.equal((await job.push(1)).existing, true);
  },

  async "a global qps starts nothing, and is not exceeded afterwards"({ task, consume, until, holds, off, on, log }) {
    const at: number[] = [];
    const job = task(
      { qps: 20, qpsScope: "global", concurrency: 10, log },
      (_n: number) => void at.push(performance.now()),
    );
    await job.pushMany(each(70));
    await consume(job);
    await until("some have started", () => at.length >= 3);
    await off();
    await working(300); // for what was reserved: a quarter of a second ahead
    const before = at.length;
    await holds("nothing starts", () => at.length === before, lookMs);
    await on();
    await until("more start", () => at.length >= before + 30);
    const perSecond = at.map((from) => at.filter((each) => each >= from && each < from + 1_000).length);
    assert.ok(Math.max(...perSecond) <= 22, `${Math.max(...perSecond)} started within a second`);
    await job.clear();
  },

  async "a live limit keeps its last value, and can be changed afterwards"({
    task,
    consume,
    until,
    holds,
    off,
    on,
    log,
  }) {
    const door = gate();
    const seen = track<number>();
    let brief = true;
    const job = task({ concurrency: 4, prefetch: 0, log }, (n: number) =>
      seen.run(n, () => (brief ? working(50) : door.opened)),
    );
    await job.setConcurrency(1);
    await consume(job);
    await job.pushMany(each(100));
    await until("two have started", () => seen.started.length >= 2);
    await off();
    const before = seen.started.length;
    await holds("one at a time", () => seen.peak === 1, lookMs);
    await until("they went on", () => seen.started.length > before);
    await on();
    brief = false;
    await job.setConcurrency(3);
    await until("three run at once", () => seen.running === 3);
    await job.clear();
    door.open();
  },

  "a pause holds on": {
    feature: "pause",
    async run({ task, consume, until, holds, off, on, log }) {
      const seen = track<number>();
      const job = task({ log }, (n: number) => seen.run(n));
      await job.pause();
      await consume(job);
      await job.pushMany(each(3));
      await off();
      await holds("nothing starts", () => seen.started.length === 0, lookMs);
      await on();
      await holds("nothing starts afterwards", () => seen.started.length === 0, lookMs);
      await job.resume();
      await until("all have ended", () => seen.ended.length === 3);
    },
  },

  async "a cancel is refused or comes through, never half"({ task, consume, until, off, on, log, patienceMs }) {
    const seen = track<number>();
    const job = task({ rpc: true, backoff: 0, log }, (n: number) =>
      seen.run(
        n,
        () =>
          new Promise((_, reject) =>
            fct.signal?.addEventListener("abort", () => reject(fct.signal?.reason), { once: true }),
          ),
      ),
    );
    await consume(job);
    const handle = await job.push(1);
    await until("it runs", () => seen.running === 1);
    await off();
    const attempt = handle.cancel().catch(() => false);
    await on();
    if (!(await attempt)) assert.equal(await handle.cancel(), true);
    const error = await rejection(handle.waitResult({ timeout: patienceMs }));
    assert.deepEqual([error.code, seen.started.length], ["CANCELLED", 1]);
  },

  "what is delayed comes when it is back, once": {
    feature: "delay",
    async run({ task, consume, until, holds, off, on, log }) {
      const seen = track<number>();
      const job = task({ log }, (n: number) => seen.run(n));
      await consume(job);
      await job.publishMany(range(5).map((n) => ({ args: [n], delay: 1_000 + 20 * n })));
      await off();
      const accepted = job.publish([5], { delay: 50 }).then(
        () => 1,
        () => 0,
      );
      await working(lookMs);
      await on();
      const expected = 5 + (await accepted);
      await until("all have ended", () => seen.ended.length === expected);
      await holds("none comes again", () => seen.started.length === expected, lookMs);
    },
  },

  async "a retry comes when it is back, with its attempt"({ task, consume, until, off, on, log }) {
    const attempts: (number | undefined)[] = [];
    const door = gate();
    const job = task({ maxRetries: 2, backoff: { type: "fixed", base: 100 }, log }, async () => {
      attempts.push(fct.attempt);
      await door.opened;
      if (attempts.length < 3) throw new Error("not yet");
    });
    await consume(job);
    await job.push();
    await until("it runs", () => attempts.length === 1);
    await off();
    door.open();
    await working(lookMs);
    await on();
    await until("it was tried three times", () => attempts.length >= 3);
    await until("the queue is empty", () => isEmpty(job));
    assert.deepEqual(attempts, [1, 2, 3]);
  },

  async "a requeue is counted when it is back"({ task, consume, until, off, on, log }) {
    const door = gate();
    let runs = 0;
    const job = task({ maxRequeues: 1, log }, async () => {
      runs++;
      await door.opened;
      throw new RequeueError({ after: 10 });
    });
    await consume(job);
    await job.push();
    await until("it runs", () => runs === 1);
    await off();
    door.open();
    await working(lookMs);
    await on();
    await until("it is a dead letter", async () => (await job.deadLetters.count()) === 1);
    assert.equal(runs, 2);
  },

  async "a dead letter and its redrive lose nothing"({ task, consume, until, off, on, log, patienceMs, defer }) {
    const door = gate();
    let runs = 0;
    const job = task({ rpc: true, deadLetter: true, maxRetries: 0, log }, async () => {
      if (++runs > 1) return "saved";
      await door.opened;
      throw new Error("no");
    });
    defer(() => job.clear());
    await consume(job);
    const handle = await job.push();
    await until("it runs", () => runs === 1);
    await off();
    door.open();
    await working(lookMs);
    await on();
    assert.equal((await handle.waitRecord({ timeout: patienceMs })).status, "dead");
    assert.equal(await job.deadLetters.count(), 1);
    await off();
    const first = job.deadLetters.redrive().catch(() => 0);
    await working(lookMs);
    await on();
    if ((await first) === 0) await until("it is moved", async () => (await job.deadLetters.redrive()) === 1);
    await until("it has run again", () => runs >= 2);
    await until("no dead letter is left", async () => (await job.deadLetters.count()) === 0);
    assert.equal(runs, 2);
  },

  async "progress does not hold the task, and is seen again afterwards"({ task, consume, until, off, on, log, how }) {
    const door = gate();
    let told = 0;
    const job = task({ log }, async () => {
      await door.opened;
      for (const value of range(how === "fails" ? 30 : 2)) await fct.progress(value);
      told++;
    });
    await consume(job);
    await job.push();
    await off();
    door.open();
    await until("it went on", () => told === 1);
    await on();
    const handle = await job.push();
    await until("the last value is kept", async () => (await handle.progress()) === (how === "fails" ? 29 : 1));
  },

  async "what needs no store goes on at its own qps, and is counted afterwards"({
    task,
    consume,
    until,
    off,
    on,
    log,
    how,
  }) {
    const seen = track<number>();
    const job = task({ qps: 100, log }, (n: number) => seen.run(n));
    await consume(job);
    await job.info();
    await off();
    await job.pushMany(each(5));
    await until("all have run", () => seen.ended.length === 5);
    if (how === "fails") assert.equal((await rejection(job.info())).code, "BROKER_DOWN");
    await on();
    await until("they are counted", async () => (await job.info()).ran === 5);
  },

  "a known id stays known": {
    feature: "ids",
    async run({ task, consume, until, storeSwitch, how }) {
      const seen = track<number>();
      const job = task({ rpc: true }, (n: number) => seen.run(n));
      const publish = () => job.publish([1], { taskId: "known" }).then(({ existing }) => existing);
      assert.equal(await publish(), false);
      storeSwitch.off(how);
      const meanwhile = publish().catch(() => true);
      await working(50);
      storeSwitch.on();
      assert.deepEqual([await meanwhile, await publish()], [true, true]);
      await consume(job);
      await until("it has run", () => seen.ended.length > 0);
      await until("the queue is empty", () => isEmpty(job));
      assert.equal(seen.started.length, 1);
    },
  },

  async "slowDown holds here, and does not fail the task"({ task, consume, until, storeSwitch, how, log, defer }) {
    const at: number[] = [];
    let slowed = 0;
    const job = task({ qps: 50, qpsScope: "global", concurrency: 1, prefetch: 0, log }, async (_n: number) => {
      at.push(performance.now());
      if (at.length > 1) return;
      storeSwitch.off(how);
      await fct.slowDown(2_500);
      slowed = performance.now();
    });
    defer(() => job.clear());
    await consume(job);
    await job.pushMany(each(3));
    await until("the first has ended", () => slowed > 0);
    storeSwitch.on();
    await until("all have started", () => at.length === 3);
    assert.ok(slowed - (at[0] ?? 0) < 8_000, `it held the task for ${slowed - (at[0] ?? 0)} ms`);
    assert.ok((at[1] ?? 0) - (at[0] ?? 0) >= 2_400, `after ${(at[1] ?? 0) - (at[0] ?? 0)} ms`);
  },

  async "a lock is held by one, lost at its ttl, and free afterwards"({ broker, queue, until, storeSwitch, how }) {
    let lost = false;
    await withLock(queue, { ttl: 600, broker }, async (signal) => {
      assert.equal((await rejection(withLock(queue, { broker, wait: 0 }, () => {}))).code, "LOCKED");
      storeSwitch.off(how);
      await until("it is lost", () => signal.aborted);
      lost = true;
    }).catch(() => {}); // its work has ended, its release could not be told
    storeSwitch.on();
    const isFree = () =>
      withLock(queue, { ttl: 600, broker, wait: 0 }, () => lost).catch((error: Error & { code?: string }) =>
        assert.equal(error.code, "LOCKED"),
      );
    await until("it is free", isFree);
  },
});
