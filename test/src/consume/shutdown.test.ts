/** shutdown(): all consumers of a process together, and what begins anew afterwards. */
import { boost, consumeAll, publisher, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";

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
