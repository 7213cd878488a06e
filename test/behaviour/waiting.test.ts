/** Waits in their corners: with the run that they are made in, their own signal, wrong options, without a store; waitIdle(). */
import {
  asCompleted,
  boost,
  concurrencyPool,
  configure,
  fct,
  publisher,
  shutdown,
  waitAll,
  wrapBroker,
} from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";
import { setClock } from "../../src/base/clock.ts";

configure({ signals: false, log: { level: "silent" } });
afterEach(async () => {
  setClock();
  await shutdown({ grace: 100 });
});

let queues = 0;
const on = () => ({ queue: `waiting.${queues++}`, broker: memory(), rpc: true, backoff: 0, maxRetries: 0 });

describe("a wait for several", () => {
  it.each(["waitAll", "asCompleted"])("ends with the run that it is made in: %s", async (way) => {
    const child = boost(on(), () => {});
    const ended: unknown[] = [];
    const parent = boost(on(), async () => {
      const handles = await child.pushMany([[], []]);
      if (way === "waitAll") await waitAll(handles).catch((error: unknown) => ended.push(error));
      else for await (const done of asCompleted(handles)) ended.push("error" in done && done.error);
    });
    await parent.consume();
    const handle = await parent.push();
    await expect.poll(() => child.count()).toBe(2);
    expect(await handle.cancel()).toBe(true);
    await expect.poll(() => ended.length, { timeout: 5_000 }).toBe(way === "waitAll" ? 1 : 2);
    for (const error of ended) expect(error).toMatchObject({ code: "CANCELLED" });
  });

  it("that its signal ends cancels nothing", async () => {
    const task = boost(on(), () => {});
    const handles = await task.pushMany([[], []]);
    await expect(waitAll(handles, { onFailure: "cancel", signal: AbortSignal.timeout(50) })).rejects.toThrow(/timeout/);
    expect(await task.count()).toBe(2);
  });
});

describe("a wait", () => {
  it("refuses what it does not know, at once", async () => {
    const handle = await boost(on(), () => {}).push();
    const wrong = { timout: 50 } as object;
    const text = 'unknown option "timout". Did you mean "timeout"? Allowed: timeout, signal, unknown.';
    await expect(handle.waitResult(wrong)).rejects.toThrow(text);
    await expect(waitAll([handle], wrong)).rejects.toThrow(text);
    await expect(asCompleted([handle], wrong).next()).rejects.toThrow(text);
    await expect(handle.waitRecord({ signal: 5 as never })).rejects.toThrow('"signal" is 5. Allowed: an AbortSignal.');
    await expect(handle.waitResult({ unknown: "look" as never })).rejects.toThrow(
      '"unknown" is "look". Allowed: "wait".',
    );
    await expect(handle.follow({ sginal: 5 } as object).next()).rejects.toThrow(
      'unknown option "sginal". Did you mean "signal"?',
    );
  });

  it("of a publisher whose broker keeps no results says what is missing", async () => {
    const { store: _, ...storeless } = memory();
    const handle = await publisher<() => number>({ queue: "waiting.storeless", broker: storeless, rpc: true }).push();
    await expect(handle.waitResult()).rejects.toMatchObject({
      code: "NEEDS_STORE",
      message: expect.stringContaining('"rpc" needs a store'),
    });
  });
});

describe("follow", () => {
  it("leaves no timer for each value that it has seen, and ends with its signal", async () => {
    const timers = new Set<unknown>();
    setClock({
      now: () => Date.now(),
      monotonic: () => performance.now(),
      after(ms, run) {
        const over = () => timers.delete(timer);
        const timer = setTimeout(() => {
          over();
          run();
        }, ms);
        timers.add(timer);
        return () => {
          clearTimeout(timer);
          over();
        };
      },
    });
    const task = boost(on(), async () => {
      for (let n = 0; n < 100; n++) {
        await fct.progress(n);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await new Promise((_, reject) => fct.signal?.addEventListener("abort", reject));
    });
    await task.consume();
    const stop = new AbortController();
    const handle = await task.push();
    const before = timers.size;
    const seen: unknown[] = [];
    let left = 0;
    const reading = (async () => {
      for await (const value of handle.follow({ signal: stop.signal })) {
        seen.push(value);
        left = timers.size - before;
      }
    })();
    await expect.poll(() => seen.at(-1)).toBe(99);
    expect(seen.length).toBeGreaterThan(20);
    expect(left).toBeLessThan(10);
    stop.abort(new Error("enough"));
    await expect(reading).rejects.toThrow("enough");
    await handle.cancel();
  });
});

describe("waitIdle", () => {
  it("ends with its signal and its timeout, however long it must be quiet", async () => {
    const task = boost(on(), () => {});
    const from = performance.now();
    await expect(task.waitIdle({ quietFor: "1m", signal: AbortSignal.timeout(50) })).rejects.toThrow(/timeout/);
    await expect(task.waitIdle({ quietFor: "1m", timeout: 50 })).rejects.toMatchObject({ code: "WAIT_TIMEOUT" });
    expect(performance.now() - from).toBeLessThan(15_000);
  });

  it("gives back the place of the run that it is made in", async () => {
    const pool = concurrencyPool(1);
    const child = boost({ ...on(), pool }, () => {});
    const parent = boost({ ...on(), pool }, async () => {
      await child.push();
      await child.waitIdle({ timeout: "5s" });
      return "idle";
    });
    await Promise.all([child.consume(), parent.consume()]);
    expect(await (await parent.push()).waitResult()).toBe("idle");
  });

  it("does not ask the engine without a pause", async () => {
    let asked = 0;
    const broker = wrapBroker(memory(), ({ count }) => ({
      count: async () => {
        asked++;
        return (await count?.()) ?? { ready: 0, delayed: 0 };
      },
    }));
    const task = boost({ ...on(), broker }, () => {});
    await task.push();
    await expect(task.waitIdle({ quietFor: 0, timeout: 300 })).rejects.toMatchObject({ code: "WAIT_TIMEOUT" });
    expect(asked).toBeLessThan(20);
    await task.clear();
    await task.waitIdle({ quietFor: 0 });
  });
});
