/** Waits for what cannot come, where clocks differ, servers are away, and an engine cannot tell. */
import { boost, configure, shutdown, wrapBroker } from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterAll, describe, expect, it } from "vitest";
import { sleep } from "../../../src/base/clock.ts";
import type { Broker, MessageState } from "../../../src/contract/index.ts";
import { rejection } from "../../conformance/until.ts";
import { bareBroker } from "../../support/bare-broker.ts";
import { onStore } from "../../support/on-store.ts";
import { withStore } from "../../support/with-store.ts";

configure({ signals: false, log: { level: "silent" } });
afterAll(() => shutdown({ grace: 100 }));

const wait = { timeout: "20s" } as const;

/** An engine that is asked for the state of a task, and how often. */
function asked(answer: (state: MessageState | undefined) => MessageState | undefined = (state) => state) {
  const seen: string[] = [];
  const broker: Broker = wrapBroker(memory(), ({ state }) => ({
    async state(id) {
      seen.push(id);
      return answer(await state?.(id));
    },
  }));
  return { broker, seen };
}

describe.concurrent("what clear() removed", () => {
  it.each([-3_600_000, 3_600_000])(
    "is told from what came after it, with a store whose clock differs by %s",
    async (by) => {
      const store = memoryStore();
      const task = boost(onStore({ ...store, now: async () => (await store.now()) + by }), () => "done");
      const before = await task.push();
      await sleep(20);
      await task.clear();
      await sleep(20);
      const after = await task.push();
      expect((await rejection(before.waitResult(wait))).code).toBe("CLEARED");
      const waiting = after.waitResult(wait);
      await sleep(1_500); // it was looked for
      await task.consume();
      expect(await waiting).toBe("done");
    },
  );

  it("is told where the engine knows no task by its id", async () => {
    const broker = withStore(bareBroker(), memoryStore());
    const task = boost({ queue: "lost.bare", broker, rpc: true }, () => "done");
    const [waiting, later] = [await task.push(), await task.publish([], { delay: "1h" })];
    const heard = [waiting.waitResult(wait), later.waitResult(wait)].map(rejection);
    await task.clear();
    expect((await Promise.all(heard)).map(({ code }) => code)).toEqual(["CLEARED", "CLEARED"]);
  });
});

describe.concurrent("what ran while its queue was cleared", () => {
  it("is no loss when it is put into a timer afterwards", async () => {
    let runs = 0;
    const task = boost({ ...onStore(), broker: timed({ retry: false }), maxRetries: 1, backoff: 2_000 }, async () => {
      await sleep(1_000);
      if (++runs === 1) throw new Error("once more");
      return "done";
    });
    await task.consume();
    const waiting = (await task.push()).waitResult(wait);
    await sleep(300);
    await task.clear();
    expect(await waiting).toBe("done");
  });
});

describe.concurrent("an id that is waited for", () => {
  it("is not unknown because the engine does not answer, or cannot tell", async () => {
    let answers = 0;
    const { broker } = asked((state) => {
      answers++;
      if (answers < 4) throw new Error("away");
      return answers < 6 ? undefined : state;
    });
    const task = boost({ queue: "lost.away", broker, rpc: true }, () => "done");
    await task.publish([], { taskId: "a", delay: 5_500 });
    const result = task.handle("a").waitResult(wait);
    await task.consume();
    expect(await result).toBe("done");
    expect(answers).toBeGreaterThan(3);
  });

  it("is waited for while a timer may hold its message", async () => {
    const task = boost({ ...onStore(), broker: timed() }, () => "done");
    await task.publish([], { taskId: "a", delay: 2_500 });
    expect(await task.handle("a").state()).toBe("unknown"); // nobody finds a timer by its id
    const result = task.handle("a").waitResult(wait);
    await task.consume();
    expect(await result).toBe("done");
  });
});

/** Memory that carries no delays. */
function timed(more: Partial<Broker["features"]> = {}): Broker {
  const inner = memory();
  const features = { ...inner.features, delay: false, ...more };
  const store = memoryStore();
  return {
    ...inner,
    features,
    store: async () => store,
    open: async (spec) => ({ ...(await inner.open(spec)), features }),
  };
}

describe.concurrent("a look", () => {
  it("is not made for who has the answer within a second, and made rarely for who waits long", async () => {
    const { broker, seen } = asked();
    const quick = boost({ queue: "lost.quick", broker, rpc: true }, (n: number) => n);
    await quick.consume();
    const handles = await quick.pushMany(Array.from({ length: 500 }, (_, n) => [n] as [number]));
    await Promise.all(handles.map((handle) => handle.waitResult(wait)));
    expect(seen.length).toBeLessThan(500); // a busy machine may have taken longer
    const slow = boost({ queue: "lost.slow", broker, rpc: true }, () => {});
    const one = await slow.push();
    seen.length = 0;
    await expect(one.waitResult({ timeout: 4_000 })).rejects.toMatchObject({ code: "WAIT_TIMEOUT" });
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.length).toBeLessThan(5);
  });

  it("is made for a thousand waits of ids that nobody knows", async () => {
    const task = boost(onStore(), () => {});
    const waits = Array.from({ length: 1_000 }, (_, n) => rejection(task.handle(`none-${n}`).waitResult(wait)));
    expect(new Set((await Promise.all(waits)).map(({ code }) => code))).toEqual(new Set(["UNKNOWN_TASK"]));
  });
});
