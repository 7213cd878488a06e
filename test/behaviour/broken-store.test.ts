/** What others have written into a store under keys of ours holds nobody up. */
import { boost, configure, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, expect, it } from "vitest";
import type { Store } from "../../src/contract/index.ts";
import { withDelay } from "../../src/emulation/delay.ts";
import { scopeOf } from "../../src/store/scope.ts";
import { until } from "../support/consuming.ts";
import { withStore } from "../support/with-store.ts";

configure({ signals: false, log: false });
afterEach(() => shutdown({ grace: 200 }));

const broken = "{no json";
let n = 0;

/** A store whose texts are all spoilt once `spoil` was called. */
function spoilt() {
  const inner = memoryStore();
  let is = false;
  const bad = <T extends string | undefined>(text: T): T => (is && text !== undefined ? (broken as T) : text);
  const store: Store = {
    ...inner,
    get: async (keys) => (await inner.get(keys)).map(bad),
    list: { ...inner.list, read: async (...asked) => (await inner.list.read(...asked)).map(bad) },
    results: {
      ...inner.results,
      get: async (queue, ids) => (await inner.results.get(queue, ids)).map(bad),
      wait: async (queue, id, signal) => bad(await inner.results.wait(queue, id, signal)),
    },
  };
  return { store, inner, spoil: () => void (is = true) };
}

it("results, records and progress that are no JSON read as none, and a known id stays known", async () => {
  const { store, spoil } = spoilt();
  const job = boost(
    { queue: `spoilt.${n++}`, broker: withStore(memory(), store), rpc: true, record: true, params: ["n"] },
    (value: number) => value + 1,
  );
  await job.consume();
  const handle = await job.publish([1], { taskId: "one" });
  expect(await handle.waitResult({ timeout: 2_000 })).toBe(2);
  await until(async () => (await job.records()).length === 1);
  spoil();
  await expect(handle.waitResult({ timeout: 2_000 })).rejects.toMatchObject({ code: "NO_RESULT" });
  expect(await job.records()).toEqual([]);
  expect(await job.handle("one").record()).toBeUndefined();
  expect((await job.publish([1], { taskId: "one" })).existing).toBe(true);
  expect((await job.info()).live).toEqual({});
});

it("a filter's mark that cannot be read does not keep its message for ever", async () => {
  const inner = memoryStore();
  const marks = new Map<string, string>();
  const store: Store = {
    ...inner,
    set: async (entries) => {
      const written = await inner.set(entries);
      for (const [i, { key, value }] of entries.entries()) if (written[i]) marks.set(key, value);
      return written;
    },
  };
  const seen: number[] = [];
  const job = boost(
    { queue: `spoilt.${n++}`, broker: withStore(memory(), store), filter: true, params: ["n"] },
    (value: number) => void seen.push(value),
  );
  await job.consume();
  await job.push(1);
  await job.waitIdle();
  await job.push(1);
  await job.waitIdle();
  expect(seen).toEqual([1]);
  for (const spoil of [(mark: string) => mark.slice(0, -2), () => broken]) {
    for (const [key, mark] of marks) await inner.set([{ key, value: spoil(mark) }]);
    const before = seen.length;
    await job.push(1);
    await job.waitIdle();
    expect(seen.length).toBe(before + 1);
  }
});

it("a timer whose payload is no message becomes a bad message with its id, and the others are published", async () => {
  const inner = memory();
  const store = memoryStore();
  const features = { ...inner.features, delay: false };
  const plain = {
    ...inner,
    features,
    open: async (spec: Parameters<typeof inner.open>[0]) => ({ ...(await inner.open(spec)), features }),
  };
  const queue = await withDelay(plain, store).open({ queue: "q", options: {}, leaseMs: 1_000 });
  await queue.publish([{ id: "good", body: { n: 1 }, delayMs: 1 }]);
  const scope = scopeOf(plain, queue, { queue: "q" });
  const payloads = [broken, "5", "null", "{}"];
  await store.timers.add(payloads.map((payload, i) => ({ queue: scope, id: `odd${i}`, dueInMs: 0, payload })));
  const seen: unknown[] = [];
  const errors: unknown[] = [];
  const consumer = await queue.consume(
    async ({ id, body }) => {
      seen.push([id, typeof body === "string" && body.startsWith('{"n"') ? JSON.parse(body) : body]);
      return { outcome: "done" };
    },
    { signal: false, onSettled: () => {}, onError: (error) => errors.push(error) },
  );
  consumer.setWindow(10);
  await until(() => seen.length === 5);
  expect(seen.map((each) => (each as [string])[0]).sort()).toEqual(["good", "odd0", "odd1", "odd2", "odd3"]);
  expect(seen).toContainEqual(["odd0", broken]);
  expect(errors).toEqual([]);
  await queue.close();
});
