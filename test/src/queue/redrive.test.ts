/** redrive(): back from the dead letters. */
import { boost, configure, shutdown, wrapBroker } from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { setClock } from "../../../src/base/clock.ts";
import type { Store } from "../../../src/contract/index.ts";
import { stopwatch } from "../../conformance/machine.ts";
import { quickClock } from "../../support/quick-clock.ts";

configure({ signals: false, log: { level: "silent" } });
afterEach(async () => {
  setClock();
  await shutdown({ grace: 100 });
});

let queues = 0;
const on = () => ({ queue: `redrive.${queues++}`, broker: memory(), rpc: true, backoff: 0, maxRetries: 0 });

describe("redrive", () => {
  const buried = async () => {
    let dead = true;
    const task = boost({ ...on(), deadLetter: true, expireAfter: 0 }, (_n: number) => {
      if (dead) throw new Error("no");
      return "done";
    });
    const consumer = await task.consume();
    return { task, consumer, heal: () => (dead = false) };
  };

  it("that is aborted stops at once, and turns the event loop meanwhile", async () => {
    const { task, consumer } = await buried();
    await task.pushMany([[1], [2], [3]]);
    await expect.poll(() => task.deadLetters.count()).toBe(3);
    await consumer.close();
    const stop = new AbortController();
    let turns = 0;
    const ticks = setInterval(() => turns++, 10);
    let sinceAbort = () => 0;
    setTimeout(() => {
      sinceAbort = stopwatch();
      stop.abort(new Error("enough"));
    }, 100);
    await expect(task.deadLetters.redrive({ ratePerSecond: 0.4, signal: stop.signal })).rejects.toThrow("enough");
    clearInterval(ticks);
    expect(sinceAbort()).toBeLessThan(900);
    expect(await task.deadLetters.count()).toBe(2);
    expect(await task.count()).toBe(1);
  });

  it("ends where what is brought back fails again at once", async () => {
    const { task } = await buried();
    await task.pushMany([[1], [2], [3]]);
    await expect.poll(() => task.deadLetters.count()).toBe(3);
    expect(await task.deadLetters.redrive()).toBe(3);
    await expect.poll(() => task.deadLetters.count()).toBe(3);
  });

  it("that was killed before it could note what it had moved does not move it again", async () => {
    const store = memoryStore();
    let killed = true;
    const set: Store["set"] = (entries) => {
      const isNote = entries.some(({ value }) => value === "moved");
      return killed && isNote ? Promise.reject(new Error("killed")) : store.set(entries);
    };
    let isDown = true;
    const ran: number[] = [];
    const params = { ...on(), deadLetter: true };
    const task = boost(
      { ...params, broker: { ...params.broker, store: async () => ({ ...store, set }) } },
      (n: number) => {
        if (isDown) throw new Error("no");
        ran.push(n);
      },
    );
    const consumer = await task.consume();
    await task.pushMany([[1]]);
    await expect.poll(() => task.deadLetters.count()).toBe(1);
    await consumer.close();
    isDown = false;
    await expect(task.deadLetters.redrive()).rejects.toThrow("killed");
    expect([await task.count(), await task.deadLetters.count()]).toEqual([1, 1]); // published, and not taken off
    killed = false;
    expect(await task.deadLetters.redrive()).toBe(0); // it waits
    expect([await task.count(), await task.deadLetters.count()]).toEqual([1, 0]);
    await task.consume();
    await expect.poll(() => ran).toEqual([1]);
  });

  it("that was killed does not move again what has run meanwhile", async () => {
    const store = memoryStore();
    let killed = true;
    const set: Store["set"] = (entries) =>
      store.set(killed ? entries.filter(({ value }) => value !== "moved") : entries);
    let isDown = true;
    const ran: number[] = [];
    const params = { ...on(), rpc: false, deadLetter: true };
    const unacknowledged = wrapBroker(
      { ...params.broker, store: async () => ({ ...store, set }) },
      ({ consume }, name) => ({
        consume: (handler, options) =>
          consume(async (delivery) => {
            const settlement = await handler(delivery);
            return killed && name.endsWith("_dlx") ? { outcome: "returned" } : settlement;
          }, options),
      }),
    );
    const task = boost({ ...params, broker: unacknowledged }, (n: number) => {
      if (isDown) throw new Error("no");
      ran.push(n);
    });
    const consumer = await task.consume();
    await task.push(1);
    await expect.poll(() => task.deadLetters.count()).toBe(1);
    await consumer.close();
    isDown = false;
    await task.deadLetters.redrive({ limit: 1 });
    expect([await task.count(), await task.deadLetters.count()]).toEqual([1, 1]);
    killed = false;
    await task.consume();
    await expect.poll(() => ran).toEqual([1]);
    await task.waitIdle();
    expect(await task.deadLetters.redrive()).toBe(0);
    await task.waitIdle();
    expect([await task.deadLetters.count(), ran]).toEqual([0, [1]]);
  });

  it("gives back first what a redrive held that was killed", async () => {
    const rescued: string[] = [];
    const broker = wrapBroker(memory(), (_, name) => ({ maintain: async () => void rescued.push(name) }));
    const task = boost({ queue: "rescue", broker, deadLetter: true }, () => {});
    await task.deadLetters.redrive();
    expect(rescued).toEqual(["rescue_dlx"]);
  });

  it("runs a message again whose own time is over", async () => {
    const { task, heal } = await buried();
    const handle = await task.publish([1], { delay: 20, misfireGrace: 10_000, expireAfter: 10_000 });
    await expect(handle.waitResult()).rejects.toMatchObject({ status: "dead" });
    setClock(quickClock((ms) => ms, { now: () => Date.now() + 30_000, monotonic: () => performance.now() })); // its time is over
    heal();
    expect(await task.deadLetters.redrive()).toBe(1);
    expect(await task.handle(handle.id).waitResult({ timeout: 2_000 })).toBe("done");
  });
});
