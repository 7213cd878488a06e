/** Fake timers that a test of a user's installs after the import: nothing of ours waits for them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mock } from "node:test";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { memory } from "../../adapters/memory/broker.ts";
import { sqlite } from "../../adapters/sqlite/broker.ts";
import { boost, configure, shutdown } from "../../src/index.ts";

configure({ signals: false, log: "silent" });
const folder = mkdtempSync(join(tmpdir(), "funboost-fake-"));
const brokers = { memory: () => memory(), sqlite: () => sqlite({ file: join(folder, "queue.db") }) };
const fakes: Readonly<Record<string, { install(): void; remove(): void }>> = {
  vitest: { install: () => vi.useFakeTimers({ now: 0 }), remove: () => vi.useRealTimers() },
  // Jest takes them as well.
  "vitest, with microtasks": {
    install: () =>
      vi.useFakeTimers({
        now: 0,
        toFake: [
          ...([
            "setTimeout",
            "clearTimeout",
            "setInterval",
            "clearInterval",
            "setImmediate",
            "clearImmediate",
          ] as const),
          ...(["Date", "performance", "hrtime", "queueMicrotask"] as const),
        ],
      }),
    remove: () => vi.useRealTimers(),
  },
  "node:test": {
    install: () => mock.timers.enable({ apis: ["setTimeout", "setInterval", "setImmediate", "Date"], now: 0 }),
    remove: () => mock.timers.reset(),
  },
};

let remove = () => {};
afterEach(() => remove());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(Object.entries(brokers))("%s", (name, broker) => {
  it.each(Object.entries(fakes))("%s: push, run, wait, retry, delay and shutdown() go on", async (fake, timers) => {
    ({ remove } = timers);
    timers.install();
    const tried: number[] = [];
    const task = boost(
      { queue: `fake.${name}.${fake}`, broker: broker(), rpc: true, backoff: 20, record: true, qps: 1_000 },
      (n: number) => {
        tried.push(n);
        if (tried.length === 1) throw new Error("once");
        return n * 2;
      },
    );
    const first = await task.push(1);
    await task.consume();
    expect(await first.waitResult()).toBe(2);
    expect(await (await task.publish([2], { delay: 30 })).waitResult()).toBe(4);
    expect(await Promise.all((await task.pushMany([[3], [4]])).map((handle) => handle.waitResult()))).toEqual([6, 8]);
    expect(tried).toEqual([1, 1, 2, 3, 4]);
    await shutdown();
  });
});
