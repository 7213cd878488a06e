/** registerBroker, wrapBroker, getOrCreate, withLock. */
import { boost, configure, getOrCreate, getTask, registerBroker, shutdown, withLock, wrapBroker } from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { setClock, sleep } from "../../../src/base/clock.ts";
import { handClock } from "../../support/hand-clock.ts";

const store = memoryStore();
configure({ signals: false, log: { level: "silent" }, store });
afterEach(async () => {
  setClock();
  await shutdown({ grace: 100 });
});

describe("a broker of one's own", () => {
  it("is known by its name, with its options", async () => {
    const made: unknown[] = [];
    registerBroker("my-memory", (options) => {
      made.push(options);
      return memory();
    });
    const task = boost({ queue: "own", broker: "my-memory", rpc: true }, (n: number) => n + 1);
    await task.consume();
    expect(await (await task.push(1)).waitResult()).toBe(2);
    expect(made).toEqual([undefined]);
    expect(() => registerBroker("my-memory", memory)).toThrow(/already/);
    expect(() => registerBroker("My Memory", memory)).toThrow(/lower-case/);
    expect(() => registerBroker("memory", memory)).toThrow(/already/);
    expect(() => registerBroker("x", 5 as never)).toThrow(/got 5/);
  });

  it("may be a shipped one with a changed call", async () => {
    const sent: number[] = [];
    const broker = wrapBroker(memory(), (queue, name) => ({
      publish: async (messages) => {
        if (name === "wrapped") sent.push(messages.length);
        return queue.publish(messages);
      },
    }));
    const task = boost({ queue: "wrapped", broker, rpc: true }, (n: number) => n + 1);
    await task.consume();
    expect(await (await task.push(1)).waitResult()).toBe(2);
    expect(sent).toEqual([1]);
  });

  it("is refused when it is none, with what is needed", async () => {
    registerBroker("nothing", () => undefined as never);
    await expect(boost({ queue: "none", broker: "nothing" }, () => 1).push()).rejects.toMatchObject({
      code: "BAD_OPTION",
      message:
        '[funboost] the factory of "nothing" answered undefined. Needed: a broker, with name, features, open() and close().',
    });
    const { features: _, ...half } = memory();
    expect(() => boost({ queue: "half", broker: half as never }, () => 1)).toThrow(/"broker" is an object/);
    expect(() => wrapBroker(5 as never, () => ({}))).toThrow(
      /wrapBroker\(\) takes a broker as its first argument, got 5/,
    );
    expect(() => wrapBroker(memory(), 5 as never)).toThrow(
      /wrapBroker\(\) takes a function \(queue, name\) => changes, got 5/,
    );
    const silent = wrapBroker(memory(), () => undefined as never);
    await expect(boost({ queue: "silent", broker: silent }, () => 1).push()).rejects.toThrow(
      /answered undefined.*calls to replace, or \{\}/,
    );
  });
});

describe("getOrCreate", () => {
  it("gives one task for each queue, 10,000 of them", { timeout: 120_000 }, async () => {
    const broker = memory();
    const double = (n: number) => n * 2;
    const tasks = Array.from({ length: 10_000 }, (_, i) =>
      getOrCreate({ queue: `tenant-${i}`, broker, rpc: true }, double),
    );
    expect(getOrCreate({ queue: "tenant-5", broker }, double)).toBe(tasks[5]);
    expect(getOrCreate({ queue: "tenant-5", broker: memory() }, double)).not.toBe(tasks[5]);
    await Promise.all(tasks.map((task, i) => task.push(i)));
    await tasks[9_999]?.consume();
    expect(await (await tasks[9_999]?.push(4))?.waitResult()).toBe(8);
  });
});

it("getOrCreate keeps apart a broker by name and an instance of that name", async () => {
  const params = { queue: "apart", params: [] };
  const instance = getOrCreate({ ...params, broker: memory() }, () => 1);
  const named = getOrCreate({ ...params, broker: "memory" }, () => 1);
  expect(named).not.toBe(instance);
  expect(getOrCreate({ ...params, broker: "memory" }, () => 1)).toBe(named);
  expect(getTask("apart", "memory")).toBe(named);
});

describe("withLock", () => {
  it("lets one in at a time, renews while it works, and is free afterwards", async () => {
    const { pass } = handClock();
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await sleep(450);
      inside--;
      return most;
    };
    const results = Promise.all([1, 2, 3].map(() => withLock("one", { ttl: 200 }, work)));
    await pass(3_000);
    expect(await results).toEqual([1, 1, 1]);
  });

  it("gives up after its wait, at once with 0, or with its signal", async () => {
    await withLock("held", {}, async () => {
      await expect(withLock("held", { wait: 0 }, () => 1)).rejects.toMatchObject({ code: "LOCKED" });
      await expect(withLock("held", { wait: 50 }, () => 1)).rejects.toThrow(/held by another for all of 50 ms/);
      await expect(withLock("held", { signal: AbortSignal.timeout(50) }, () => 1)).rejects.toThrow(/timeout/);
    });
    expect(await withLock("held", { wait: 0 }, () => 1)).toBe(1);
  });

  it("is free after its ttl when its holder died, and tells a holder that lost it", async () => {
    await store.lease("lock:dead", "somebody else", 300);
    const start = performance.now();
    await withLock("dead", {}, () => {});
    expect(performance.now() - start).toBeGreaterThan(250);
    const lost = withLock("stolen", { ttl: 200 }, async (signal) => {
      const block = performance.now() + 300;
      while (performance.now() < block); // this process stands still for longer than the ttl
      expect(await store.lease("lock:stolen", "thief", 1_000)).not.toBeNull();
      await expect.poll(() => signal.aborted, { timeout: 2_000 }).toBe(true);
      return "told";
    });
    expect(await lost).toBe("told");
  });

  it("releases when the work throws, and refuses bad input", async () => {
    await expect(withLock("throws", {}, () => Promise.reject(new RangeError("x")))).rejects.toThrow(RangeError);
    expect(await withLock("throws", { wait: 0 }, () => 1)).toBe(1);
    await expect(withLock("", {}, () => 1)).rejects.toThrow(/takes a key/);
    await expect(withLock("a", { ttl: 0 }, () => 1)).rejects.toThrow(/"ttl" is 0/);
  });
});
