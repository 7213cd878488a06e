/** How consumers and processes stop: what runs, what waits for others, what hangs. */
import { AsyncLocalStorage } from "node:async_hooks";
import { boost, configure, consumeAll, fct, publisher, shutdown, wrapBroker } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";
import { setClock } from "../../../src/base/clock.ts";
import { handClock } from "../../support/hand-clock.ts";

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
});

describe("a consumer", () => {
  it("closes though its engine hangs", async () => {
    const { pass } = handClock();
    try {
      const broker = wrapBroker(memory(), (inner) => ({
        consume: async (...how) => ({ ...(await inner.consume(...how)), close: () => new Promise<never>(() => {}) }),
      }));
      const consumer = await boost({ queue: queue(), broker }, () => {}).consume();
      let closed = false;
      const closing = consumer.close({ grace: 0 }).then(() => (closed = true));
      await pass(12_000);
      expect(closed).toBe(true);
      await closing;
    } finally {
      setClock();
    }
  });
});

describe("consumeAll()", () => {
  it("ends when its signal aborts, also while it still connects", async () => {
    const task = boost({ queue: queue(), broker: memory() }, () => 1);
    const abort = new AbortController();
    const consuming = consumeAll([task], { signal: abort.signal });
    abort.abort();
    await expect(consuming).rejects.toThrow();
    await task.push();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await task.count()).toBe(1);
  });

  it("tells health: what it runs, and since when nothing was fetched", async () => {
    const task = boost({ queue: queue(), broker: memory(), params: [] }, () => 1);
    const all = await consumeAll([task]);
    await task.push();
    await task.waitIdle();
    const { healthy, queues } = await all.health();
    expect(healthy).toBe(true);
    expect(queues[0]).toMatchObject({ queue: task.queue, running: 0, paused: false, healthy: true });
    expect(queues[0]?.sinceFetchMs).toBeGreaterThanOrEqual(0);
  });
});

describe("a run", () => {
  it("does not see the async context of whoever pushed or consumed", async () => {
    const request = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const task = boost({ queue: queue(), broker: memory(), params: [] }, () => void seen.push(request.getStore()));
    await request.run("consumer", () => task.consume());
    await request.run("pusher", () => task.push());
    await task.waitIdle();
    expect(seen).toEqual([undefined]);
  });

  it("leaves no controller behind when its signal is used after its end", async () => {
    const kept: (() => AbortSignal | undefined)[] = [];
    const task = boost({ queue: queue(), broker: memory(), params: [] }, () => {
      const context = new AsyncLocalStorage();
      kept.push(context.run(1, () => () => fct.signal));
    });
    await task.consume();
    await task.push();
    await task.waitIdle();
    expect(kept.map((signal) => signal())).toEqual([undefined]);
  });
});

describe("a default dead-letter queue", () => {
  it("does not feed the task that consumes it", async () => {
    configure({ defaults: { deadLetter: "graveyard", maxRetries: 0 }, log: { level: "silent" } });
    const broker = memory();
    let runs = 0;
    const graveyard = boost({ queue: "graveyard", broker, params: [] }, () => {
      runs++;
      throw new Error("no peace");
    });
    await graveyard.consume();
    await graveyard.push();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(runs).toBe(1);
  });
});
