/** redrive(): back from the dead letters. */
import { boost, configure, shutdown, wrapBroker } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";
import { sleep } from "../../src/clock.ts";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));

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
    setTimeout(() => stop.abort(new Error("enough")), 100);
    const from = performance.now();
    await expect(task.deadLetters.redrive({ ratePerSecond: 0.4, signal: stop.signal })).rejects.toThrow("enough");
    clearInterval(ticks);
    expect(performance.now() - from).toBeLessThan(1_000);
    expect(await task.deadLetters.count()).toBe(2);
    expect(await task.count()).toBe(1);
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
    const handle = await task.publish([1], { delay: 20, misfireGrace: 100, expireAfter: 100 });
    await expect(handle.waitResult()).rejects.toMatchObject({ status: "dead" });
    await sleep(150);
    heal();
    expect(await task.deadLetters.redrive()).toBe(1);
    expect(await task.handle(handle.id).waitResult({ timeout: 2_000 })).toBe("done");
  });
});
