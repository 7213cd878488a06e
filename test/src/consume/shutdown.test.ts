/** shutdown(): all consumers of a process together, and what begins anew afterwards. */
import { boost, configure, consumeAll, fct, publisher, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it, vi } from "vitest";
import { setClock, sleep } from "../../../src/base/clock.ts";
import { quickClock } from "../../support/quick-clock.ts";

configure({ log: "silent" });

let n = 0;
const queue = () => `shutdown.${n++}`;

afterEach(() => shutdown({ grace: 100 }));

describe("shutdown()", () => {
  it("lets tasks and publishers start anew", async () => {
    const broker = memory();
    const name = queue();
    const task = boost({ queue: name, broker, params: ["n"] }, (value: number) => value);
    const jobs = publisher<typeof task>({ queue: name, broker, params: ["n"] });
    await jobs.push(1);
    await task.push(2);
    await shutdown();
    await jobs.push(3);
    await task.push(4);
    expect(await task.count()).toBe(2);
  });

  it("while a consumer connects: it does not begin, and the task can be used again", async () => {
    const task = boost({ queue: queue(), broker: memory() }, () => 1);
    const consuming = task.consume().then(
      () => "consumes",
      (error: { code: string }) => error.code,
    );
    await shutdown();
    expect(["consumes", "SHUT_DOWN"]).toContain(await consuming);
    await task.push();
    expect(await task.count()).toBe(1);
  });

  it("lets a run wait for a child in another task's queue", async () => {
    const broker = memory();
    const child = boost({ queue: queue(), broker, rpc: true, concurrency: 1 }, async (text: string) =>
      text.toUpperCase(),
    );
    const ended: string[] = [];
    const parent = boost({ queue: queue(), broker, concurrency: 1 }, async () => {
      ended.push("started");
      await new Promise((resolve) => setTimeout(resolve, 200));
      ended.push(await (await child.push("done")).waitResult());
    });
    await consumeAll([parent, child]);
    await parent.push();
    await expect.poll(() => ended).toEqual(["started"]);
    const started = performance.now();
    await shutdown({ grace: "5s" });
    expect(ended).toEqual(["started", "DONE"]);
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  it("leaves nothing behind that calls a store which is closed", async () => {
    const store = memoryStore();
    const calls: string[] = [];
    let closed = false;
    const reserve: typeof store.reserve = (key, row) => {
      calls.push(closed ? "late" : "in time");
      return store.reserve(key, row);
    };
    const broker = { ...memory(), store: async () => ({ ...store, reserve, close: async () => void (closed = true) }) };
    const task = boost({ queue: queue(), broker, qps: 200, qpsScope: "global" }, () => 1);
    await task.pushMany(Array.from({ length: 500 }, () => []));
    await task.consume();
    await expect.poll(() => calls.length).toBeGreaterThan(5);
    await shutdown();
    await sleep(200);
    expect([closed, calls.includes("late")]).toEqual([true, false]);
  });
});

describe("a signal", () => {
  const speed = 100;
  const handled = ["SIGTERM", "SIGINT"] as const;

  /** Answers with which code the process would have exited. */
  async function exitCodeAfter(signals: readonly NodeJS.Signals[], run: (signal: AbortSignal) => Promise<unknown>) {
    setClock(quickClock((ms) => ms / speed, { now: Date.now, monotonic: () => performance.now() * speed }));
    const before = handled.map((signal) => process.listeners(signal));
    const exit = vi.spyOn(process, "exit").mockImplementation((() => {}) as never);
    try {
      let started = 0;
      const task = boost({ queue: queue(), broker: memory() }, () => {
        started++;
        return run(fct.signal as AbortSignal);
      });
      await task.consume();
      await task.push();
      await expect.poll(() => started).toBe(1);
      for (const signal of signals) process.emit(signal, signal);
      await expect.poll(() => exit.mock.calls.length).toBe(signals.length); // the stop of the first goes on
      return exit.mock.calls[0]?.[0];
    } finally {
      setClock();
      exit.mockRestore();
      for (const [i, signal] of handled.entries())
        for (const each of process.listeners(signal).slice(before[i]?.length)) process.off(signal, each);
    }
  }

  const aborted = (signal: AbortSignal) => new Promise((resolve) => signal.addEventListener("abort", resolve));

  it.each<[string, NodeJS.Signals[], (signal: AbortSignal) => Promise<unknown>, number]>([
    ["SIGTERM and all ends well: 0", ["SIGTERM"], () => sleep(500), 0],
    ["SIGTERM and a run is cut off at the end of the grace: 143", ["SIGTERM"], aborted, 143],
    ["SIGTERM twice: 143, at once", ["SIGTERM", "SIGTERM"], aborted, 143],
    ["Ctrl-C: 130", ["SIGINT"], () => sleep(500), 130],
  ])("%s", async (_, signals, run, code) => {
    expect(await exitCodeAfter(signals, run)).toBe(code);
  });
});
