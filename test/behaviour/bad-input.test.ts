/** What users may get wrong: each refusal names the value, what is allowed, and the next step. */
import {
  type BrokerName,
  boost,
  checkTasks,
  concurrencyPool,
  configure,
  consumeAll,
  fct,
  getTask,
  publisher,
  shutdown,
  type TaskParams,
  waitAll,
  withLock,
} from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";

const broker = memory();
let n = 0;
const queue = () => `bad-input.${n++}`;
// biome-ignore lint/suspicious/noExplicitAny: these tests pass what the types forbid
const loose = boost as any;

afterEach(() => shutdown());

describe("boost() refuses", () => {
  it.each([
    ["params that are no object", [null, () => 1], /params are null.*\{ queue: "emails" \}/],
    ["a missing queue", [{}, () => 1], /"queue" is missing.*boost\(\{ queue/],
    ["an unknown option, with the nearest name", [{ queue: "q", maxRetry: 3 }, () => 1], /"maxRetry".*maxRetries/],
    ["an option of a later version", [{ queue: "q", runWindow: "* 9 * * *" }, () => 1], /"runWindow"/],
    ["a value out of range", [{ queue: "q", concurrency: 0 }, () => 1], /concurrency.*0.*1/],
    ["a duration it cannot read", [{ queue: "q", timeout: "5 minutes" }, () => 1], /timeout.*"5 minutes".*"5m"/],
    ["something that is no function", [{ queue: "q" }, 5], /function.*5/],
    ["a bound function", [{ queue: "q" }, function f() {}.bind(null)], /params/],
    ["a native function", [{ queue: "q" }, Math.max], /params/],
    [
      "a destructured parameter among several",
      [{ queue: "q" }, (_a: number, { b }: { b: number }) => b],
      /destructured/,
    ],
    ["a parameter called extra", [{ queue: "q" }, (extra: number) => extra], /extra/],
  ])("%s", (_, args, text) => {
    expect(() => loose(...args)).toThrow(text);
  });
});

describe("a task refuses", () => {
  const task = boost(
    { queue: queue(), broker, params: ["file", "height?"] },
    (file: string, height?: number) => `${file}${height}`,
  );
  // biome-ignore lint/suspicious/noExplicitAny: these tests pass what the types forbid
  const wrong = task as any;

  it("too few and too many arguments", async () => {
    await expect(wrong.push()).rejects.toThrow(/"file" is missing/);
    await expect(wrong.push("a", 1, 2)).rejects.toThrow(/3 arguments.*2/);
  });

  it.each([
    ["a Date", new Date(), /args\.file.*Date/],
    ["a Map inside", { options: { m: new Map() } }, /args\.file\.options\.m.*Map/],
    ["a bigint", 5n, /args\.file.*bigint/i],
    ["undefined in a list", [1, undefined], /args\.file\[1\].*undefined/],
    ["a class instance", new (class Mail {})(), /args\.file.*Mail/],
    ["NaN", Number.NaN, /args\.file.*NaN/],
  ])("%s, naming the path", async (_, value, text) => {
    await expect(wrong.push(value)).rejects.toThrow(text);
    expect(await task.count()).toBe(0);
  });

  it("arguments that are no list", async () => {
    await expect(wrong.publish("a")).rejects.toThrow(/list.*"a"/);
    await expect(wrong.pushMany("a")).rejects.toThrow(/list.*"a"/);
    await expect(wrong.publishMany([["a"]])).rejects.toThrow(/item 0.*"args"/);
  });

  it.each([
    ["an unknown publish option", { dely: "5s" }, /"dely".*delay/],
    ["delay and eta together", { delay: 1, eta: new Date() }, /delay.*eta/],
    ["a priority out of range", { priority: 5000 }, /priority.*5000.*1000/],
    ["an empty task id", { taskId: "" }, /taskId/],
  ])("%s", async (_, options, text) => {
    await expect(wrong.publish(["a"], options)).rejects.toThrow(text);
  });

  it("waitResult without rpc, at once", async () => {
    await expect((await task.push("a")).waitResult()).rejects.toThrow(/keeps no results.*rpc: true/);
    await task.clear();
  });

  it("an unknown consume option and a wrong concurrency", async () => {
    await expect(wrong.consume({ threads: 4 })).rejects.toThrow(/"threads".*concurrency/);
    await expect(wrong.consume({ concurrency: 0 })).rejects.toThrow(/concurrency.*0/);
  });
});

describe("a process refuses", () => {
  it("a second function that consumes the same queue", async () => {
    const name = queue();
    const first = boost({ queue: name, broker }, function first() {});
    await first.consume();
    const second = boost({ queue: name, broker }, function second() {});
    await expect(second.consume()).rejects.toThrow(/consumed already, by another function, first.*own queue/);
    await expect(first.consume()).rejects.toThrow(/this task/);
  });

  it("but lets a function that was defined again take over", async () => {
    const name = queue();
    const ran: number[] = [];
    const define = (version: number) =>
      boost({ queue: name, broker, params: [] }, function task() {
        ran.push(version);
      });
    await define(1).consume();
    const newer = define(2);
    await newer.consume();
    await newer.push();
    await newer.waitIdle();
    expect(ran).toEqual([2]);
    expect(getTask(name)).toBe(newer);
  });

  it("configure() after the first use, and what configure() does not know", async () => {
    expect(() => configure({ retries: 3 } as object)).toThrow(/"retries".*defaults/);
    expect(() => configure({ defaults: { queue: "x" } as object })).toThrow(/queue/);
    expect(() => configure({ lease: "1ms" })).toThrow(/lease.*200/);
    const task = boost({ queue: queue(), broker }, () => 1);
    await task.count();
    expect(() => configure({})).toThrow(/before any push/);
  });

  it("a broker it does not know", async () => {
    const task = boost({ queue: queue(), broker: "rabbit" as BrokerName }, () => 1);
    await expect(task.push()).rejects.toThrow(/no broker "rabbit".*bullmq, memory, sqlite/);
    await expect(checkTasks()).rejects.toThrow(/no broker "rabbit"/);
  });

  it("run options on a publisher", () => {
    expect(() => publisher({ queue: "q", concurrency: 5 } as { queue: string })).toThrow(
      /publisher\(\) takes no "concurrency"/,
    );
  });

  it("things that are no tasks in consumeAll, and a wrong onFailure", async () => {
    await expect(consumeAll([{}])).rejects.toThrow(/made by boost\(\)/);
    await expect(waitAll([], { onFailure: "stop" as "leave" })).rejects.toThrow(/"leave" or "cancel"/);
  });
});

describe("times of 0, limits of 0 and options that contradict each other are refused with what is allowed", () => {
  const aboveZero = 'a time above 0, such as 500 (milliseconds), "30s" or "5m"';
  it.each<[Partial<TaskParams>, string]>([
    [{ filter: { ttl: 0 } }, `"filter.ttl" is 0. Allowed: ${aboveZero}.`],
    [{ record: { ttl: 0 } }, `"record.ttl" is 0. Allowed: ${aboveZero}.`],
    [{ rpc: { ttl: 0 } }, `"rpc.ttl" is 0. Allowed: ${aboveZero}.`],
    [{ rpc: { timeout: "0s" } }, `"rpc.timeout" is "0s". Allowed: ${aboveZero}.`],
    [{ publishTimeout: 0 }, `"publishTimeout" is 0. Allowed: ${aboveZero}.`],
    [{ qps: 0 }, '"qps" is 0. Allowed: a number from 0.01 to 100000.'],
    [{ qps: { count: 0, per: "1m" } }, '"qps.count" is 0. Allowed: a whole number from 1 to 100000.'],
    [{ qps: { count: 5, per: 0 } }, `"qps.per" is 0. Allowed: ${aboveZero}.`],
    [{ qps: [3, { count: 5, per: "0s" }] }, `"qps[1].per" is "0s". Allowed: ${aboveZero}.`],
    [{ qps: [] }, '"qps" is an array of 0. Allowed: starts per second'],
    [{ qps: [3, 5] }, '"qps" is an array of 2. Allowed: one number of starts per second, and caps'],
    [{ concurrency: 0 }, '"concurrency" is 0. Allowed: a whole number from 1 to 100000.'],
    [{ maxSuspended: 0 }, '"maxSuspended" is 0.'],
    [{ maxCrashes: 0 }, '"maxCrashes" is 0.'],
    [{ backoff: { base: "1m", cap: "1s" } }, '"backoff.cap" is "1s". Allowed: at least "base", which is 60000 ms.'],
    [{ filter: { when: "later" as "done" } }, '"filter.when" is "later". Allowed: "done" or "published".'],
    [{ filter: { key: "name" as never } }, '"filter.key" is "name". Allowed: a function from the arguments to a text.'],
    [{ pool: 3 as never }, '"pool" is 3. Allowed: a pool made by concurrencyPool(n).'],
    [{ deadLetter: "x".repeat(191) }, "Allowed: true (<queue>_dlx), a queue's name of 1 to 190 characters, or false."],
    [{ deadLetter: "same" }, '"deadLetter" is "same". Allowed: another queue than the task\'s own.'],
  ])("%o", (params, text) => {
    expect(() => boost({ queue: "same", ...params }, () => 1)).toThrow(text);
  });

  it("where 0 means none it is taken", () => {
    expect(() =>
      boost(
        { queue: queue(), broker, timeout: 0, expireAfter: 0, maxRetries: 0, maxRequeues: 0, prefetch: 0, backoff: 0 },
        () => 1,
      ),
    ).not.toThrow();
    expect(() => concurrencyPool(0)).toThrow(/whole number from 1 to 100000, got 0/);
  });

  it("on calls, too", async () => {
    const task = boost({ queue: queue(), broker, record: true }, (n: number) => n);
    const refusals: [() => Promise<unknown>, string][] = [
      [() => task.setQps(0), '"qps" is 0. Allowed: a number from 0.01 to 100000.'],
      [() => task.setQps({ count: 1, per: 0 }), `"qps.per" is 0. Allowed: ${aboveZero}.`],
      [() => task.setConcurrency(0), '"concurrency" is 0. Allowed: a whole number from 1 to 100000.'],
      [() => task.records({ limit: 0 }), '"limit" is 0. Allowed: a whole number from 1 to 100000.'],
      [() => task.stats({ step: 0 }), `"step" is 0. Allowed: ${aboveZero}.`],
      [() => task.deadLetters.list(0), '"limit" is 0. Allowed: a whole number from 1 to 100000.'],
      [() => task.deadLetters.redrive({ limit: 0 }), '"limit" is 0. Allowed: a whole number from 1 to'],
      [
        () => task.deadLetters.redrive({ ratePerSecond: 0 }),
        '"ratePerSecond" is 0. Allowed: a number from 0.01 to 100000.',
      ],
      [() => task.waitIdle({ quiet: 5 } as object), 'unknown option "quiet". Did you mean "quietFor"?'],
      [() => withLock("a", { ttl: 0, broker }, () => 1), '"ttl" is 0. Allowed: 200 ms or more.'],
    ];
    for (const [call, text] of refusals) await expect(call(), text).rejects.toThrow(text);
  });

  it("a filterKey for a task that has no filter", async () => {
    const task = boost({ queue: queue(), broker }, (n: number) => n);
    await expect(task.publish([1], { filterKey: "x" })).rejects.toThrow(
      /"filterKey" is given.*no filter.*"filter: true"/,
    );
    expect(await task.count()).toBe(0);
  });

  it("slowDown() of no time fails the run and says why", async () => {
    const task = boost({ queue: queue(), broker, rpc: true, maxRetries: 0, log: false }, () => fct.slowDown(0));
    await task.consume();
    await expect((await task.push()).waitResult()).rejects.toThrow(/slowDown\(\) takes a time above 0, such as 2000/);
  });
});

describe("a store that cannot do what is asked", () => {
  const { store: _, ...storeless } = memory();

  it.each<[string, Partial<TaskParams>]>([
    ["rpc", { rpc: true }],
    ["filter", { filter: true }],
    ["record", { record: true }],
    ['qpsScope: "global"', { qps: 5, qpsScope: "global" }],
  ])("is missing: %s is refused by name at the first use", async (option, params) => {
    const task = boost({ queue: queue(), broker: storeless, ...params }, (n: number) => n);
    await expect(task.push(1)).rejects.toMatchObject({
      code: "NEEDS_STORE",
      message: `[funboost] [memory] "${option}" needs a store, which this broker has not. Set one: configure({ store: redisStore({ url }) }), from "funboost/stores/redis".`,
    });
    await expect(task.consume()).rejects.toMatchObject({ code: "NEEDS_STORE" });
  });

  it("belongs to one process, while the messages do not: no limit for all", async () => {
    const features = { ...memory().features, durable: true };
    const lasting = {
      ...memory(),
      features,
      open: async (spec: Parameters<typeof broker.open>[0]) => ({ ...(await broker.open(spec)), features }),
    };
    const task = boost(
      { queue: queue(), broker: { ...lasting, store: async () => memoryStore() }, qps: 5, qpsScope: "global" },
      () => 1,
    );
    await expect(task.push()).rejects.toMatchObject({
      code: "NEEDS_STORE",
      message: expect.stringMatching(/"memory" belongs to this process.*configure\(\{ store/),
    });
  });

  it("is no store at all", () => {
    expect(() => configure({ store: { get: () => 1 } as never })).toThrow(
      /"store" is an object. Allowed: a store such as redisStore.*lacks set, delete/,
    );
  });
});
