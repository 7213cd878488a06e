/** What a run sees, and what it leaves behind. */
import { AsyncLocalStorage } from "node:async_hooks";
import { boost, fct, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";

let n = 0;
const queue = () => `run.${n++}`;

afterEach(() => shutdown({ grace: 100 }));

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
