/** The three steps of a consumer: what is set is read and applied, then it consumes, then it is watched over. */
import { boost, configure, shutdown, type TaskParams, wrapBroker } from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Broker, Store } from "../../../src/contract/index.ts";
import { withStore } from "../../support/with-store.ts";

configure({ signals: false, log: { level: "silent" } });

let steps: string[] = [];
beforeEach(() => void (steps = []));
afterEach(() => shutdown({ grace: 100 }));

/** A broker and its store that note what is asked of them, up to the first window that lets something in. */
function noting(change: { readonly consume?: () => never } = {}): Broker {
  const inner = memoryStore();
  const store: Store = {
    ...inner,
    async get(keys) {
      const values = await inner.get(keys);
      steps.push(`get ${keys.length}`);
      return values;
    },
    async subscribe(...how) {
      const unsubscribe = await inner.subscribe(...how);
      steps.push("subscribe");
      return () => {
        steps.push("unsubscribe");
        unsubscribe();
      };
    },
  };
  return wrapBroker(withStore(memory(), store), (queue) => ({
    async paused() {
      steps.push("paused");
      return (await queue.paused?.()) ?? false;
    },
    async consume(...how) {
      steps.push("consume");
      change.consume?.();
      const consumer = await queue.consume(...how);
      return {
        ...consumer,
        setWindow(n) {
          steps.push(`window ${n}`);
          consumer.setWindow(n);
        },
      };
    },
  }));
}

const task = (broker: Broker, params: Partial<TaskParams> = {}) =>
  boost({ queue: "steps", broker, concurrency: 2, prefetch: 0, ...params }, () => {});

it("reads and applies what is set before it consumes and opens its window", async () => {
  const job = task(noting());
  await job.setConcurrency(5);
  await job.consume();
  await expect.poll(() => steps.slice(0, 5)).toEqual(["paused", "get 3", "subscribe", "consume", "window 5"]);
});

it("opens no window while its queue is paused", async () => {
  const job = task(noting());
  await job.pause();
  await job.consume();
  const windows = () => steps.filter((step) => step.startsWith("window"));
  await expect.poll(windows).toEqual(["window 0"]);
  await job.resume();
  await expect.poll(windows, { timeout: 5_000 }).toEqual(["window 0", "window 2"]);
});

it("ends what it has begun where it cannot consume", async () => {
  const fail = () => {
    throw new Error("no such queue");
  };
  await expect(task(noting({ consume: fail }), { filter: { ttl: "1h" } }).consume()).rejects.toThrow("no such queue");
  expect(steps).toEqual(["paused", "get 3", "subscribe", "consume", "unsubscribe"]);
  const { length } = steps;
  await new Promise((resolve) => setTimeout(resolve, 700)); // two polls
  expect(steps).toHaveLength(length);
});
