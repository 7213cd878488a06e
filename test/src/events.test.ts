/** Events on diagnostics_channel. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { boost, configure, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";

configure({ signals: false, log: { level: "silent" } });

type Message = Record<string, unknown>;
const stops: (() => void)[] = [];
afterEach(async () => {
  await shutdown({ grace: 100 });
  for (const stop of stops.splice(0)) stop();
});

/** All messages of these channels, in order. */
function listen(...names: string[]): [string, Message][] {
  const heard: [string, Message][] = [];
  for (const name of names) {
    const on = (message: unknown) => void heard.push([name.slice(9), { ...(message as Message) }]);
    subscribe(name, on);
    stops.push(() => unsubscribe(name, on));
  }
  return heard;
}

describe("events", () => {
  it("follow a task from its publish to its settlement", async () => {
    const heard = listen(
      ...["publish:start", "publish:end", "run:start", "run:end", "settle", "broker:opened", "consumer:ready", "consumer:closing", "consumer:closed"].map(
        (name) => `funboost:${name}`,
      ),
    );
    const task = boost({ queue: "events", broker: memory(), rpc: true }, (n: number) => n);
    const consumer = await task.consume();
    const handle = await task.push(1);
    await handle.waitResult();
    await consumer.close();
    const where = { queue: "events", broker: "memory" };
    expect(heard.map(([name]) => name)).toEqual([
      "broker:opened",
      "consumer:ready",
      "publish:start",
      "publish:end",
      "run:start",
      "run:end",
      "settle",
      "consumer:closing",
      "consumer:closed",
    ]);
    expect(heard[3]?.[1]).toEqual({ ...where, count: 1, ids: [handle.id] });
    expect(heard[5]?.[1]).toMatchObject({ ...where, taskId: handle.id, attempt: 1, outcome: "done", runMs: expect.any(Number), waitMs: expect.any(Number) });
    expect(heard[6]?.[1]).toEqual({ ...where, taskId: handle.id, attempt: 1, outcome: "applied" });
    expect(heard[8]?.[1]).toMatchObject({ ...where, orphanedIds: [] });
  });

  it("tell failures, dead letters, duplicates, pauses and limits", async () => {
    const heard = listen(
      ...["run:end", "deadletter", "duplicate", "queue:paused", "queue:resumed", "queue:limits", "publish:error"].map((name) => `funboost:${name}`),
    );
    const task = boost({ queue: "events.2", broker: memory(), rpc: true, maxRetries: 0, deadLetter: true }, (_n: number) => {
      throw new RangeError("no");
    });
    await task.publish([1], { taskId: "one" });
    await task.publish([1], { taskId: "one" });
    await task.consume();
    await expect.poll(() => heard.map(([name]) => name)).toEqual(["duplicate", "deadletter", "run:end"]);
    expect(heard[2]?.[1]).toMatchObject({ outcome: "failed", error: { message: "no" } });
    heard.length = 0;
    await task.pause();
    await expect.poll(() => heard.at(-1)?.[0], { timeout: 2_000 }).toBe("queue:paused");
    await task.resume();
    await expect.poll(() => heard.at(-1)?.[0], { timeout: 2_000 }).toBe("queue:resumed");
    await task.setQps(7);
    await expect.poll(() => heard.at(-1), { timeout: 2_000 }).toEqual(["queue:limits", { queue: "events.2", broker: "memory", qps: 7 }]);
  });
});
