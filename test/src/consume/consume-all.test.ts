/** consumeAll(): its end, and its health. */
import { boost, consumeAll, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";

let n = 0;
const queue = () => `all.${n++}`;

afterEach(() => shutdown({ grace: 100 }));

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
