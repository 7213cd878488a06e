/** What users may get wrong: each refusal names the value, what is allowed, and the next step. */
import { boost, checkTasks, configure, consumeAll, getTask, publisher, shutdown, waitAll } from "funboost";
import { memory } from "funboost/adapters/memory";
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
    ["a destructured parameter among several", [{ queue: "q" }, (_a: number, { b }: { b: number }) => b], /destructured/],
    ["a parameter called extra", [{ queue: "q" }, (extra: number) => extra], /extra/],
  ])("%s", (_, args, text) => {
    expect(() => loose(...args)).toThrow(text);
  });
});

describe("a task refuses", () => {
  const task = boost({ queue: queue(), broker, params: ["file", "height?"] }, (file: string, height?: number) => `${file}${height}`);
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
    const task = boost({ queue: queue(), broker: "rabbit" }, () => 1);
    await expect(task.push()).rejects.toThrow(/no broker "rabbit".*bullmq, memory, sqlite/);
    await expect(checkTasks()).rejects.toThrow(/no broker "rabbit"/);
  });

  it("run options on a publisher", () => {
    expect(() => publisher({ queue: "q", concurrency: 5 } as { queue: string })).toThrow(/publisher\(\) takes no "concurrency"/);
  });

  it("things that are no tasks in consumeAll, and a wrong onFailure", async () => {
    await expect(consumeAll([{}])).rejects.toThrow(/made by boost\(\)/);
    await expect(waitAll([], { onFailure: "stop" as "leave" })).rejects.toThrow(/"leave" or "cancel"/);
  });
});
