import { configure, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { sleep } from "../../../src/base/clock.ts";
import type { Message, Store } from "../../../src/contract/index.ts";
import { publishNew } from "../../../src/publish/known.ts";
import { defineFunction } from "../../../src/setup/function-definition.ts";
import type { OpenTask } from "../../../src/setup/model.ts";
import { openTask } from "../../../src/setup/open.ts";
import { endedMark } from "../../../src/store/known-ids.ts";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));

const result = (id: string, status: string) => ({ id, outcome: JSON.stringify({ id, status }), ttlMs: 1_000 });
const called = (n: number, id?: string): Message => ({ body: { n }, ...(id === undefined ? {} : { id }) });

/** An open task on a store of its own, and the ids of each publish that has reached its engine. */
async function open(params: object, change: (store: Store) => Partial<Store> = () => ({})) {
  const store = memoryStore();
  const definition = defineFunction({ queue: "known", broker: memory(), ...params }, (_n: number) => {});
  const opened = await openTask(definition);
  const sent: (string | undefined)[][] = [];
  const publish = async (messages: readonly Message[]) => {
    sent.push(messages.map(({ id }) => id));
    return messages.map(({ id }, i) => ({ id: id ?? `new ${i}` }));
  };
  const task: OpenTask = { ...opened, store: { ...store, ...change(store) }, queue: { ...opened.queue, publish } };
  return { task, store, sent };
}

describe("publishing what is not known", () => {
  it("hands a plain publish to the engine: its promise is the answer", async () => {
    const { task } = await open({ rpc: true });
    const answer = Promise.resolve([{ id: "1" }]);
    expect(publishNew({ ...task, queue: { ...task.queue, publish: () => answer } }, [called(1)])).toBe(answer);
  });

  it("asks for ended ids, then for kept results, and publishes the rest in one call", async () => {
    const { task, store, sent } = await open({ rpc: true });
    await store.set([endedMark(task, "ended")]);
    await store.results.put(task.scope, [result("kept", "done"), result("cancelled", "cancelled")]);
    const ids = ["ended", "new", "kept", undefined, "cancelled"];
    const answers = await publishNew(
      task,
      ids.map((id, n) => called(n, id)),
    );
    expect(sent).toEqual([["new", undefined, "cancelled"]]);
    expect(answers).toEqual([
      { id: "ended", existing: true },
      { id: "new" },
      { id: "kept", existing: true },
      { id: "new 1" },
      { id: "cancelled" },
    ]);
    expect(await store.results.get(task.scope, ["cancelled"])).toEqual([undefined]);
  });

  it("keeps the cancelled result of an id that is known otherwise", async () => {
    const { task, store } = await open({ rpc: true });
    await store.set([endedMark(task, "a")]);
    await store.results.put(task.scope, [result("a", "cancelled")]);
    expect(await publishNew(task, [called(1, "a")])).toEqual([{ id: "a", existing: true }]);
    expect(await store.results.get(task.scope, ["a"])).not.toEqual([undefined]);
  });

  it("sends nothing once the store has taken the time of the publish", async () => {
    const { task, sent } = await open({ publishTimeout: 20 }, ({ get }) => ({
      get: (keys) => sleep(40).then(() => get(keys)),
    }));
    await expect(publishNew(task, [called(1, "a")])).rejects.toThrow("too late, nothing was sent");
    expect(sent).toEqual([]);
  });
});

describe("with a filter of what was published", () => {
  const filter = { when: "published" };

  it("answers an equal message with the id of the first, of one list too", async () => {
    const { task, sent } = await open({ filter });
    const [first, second] = await publishNew(task, [called(1, "a"), called(1, "b")]);
    expect([first, second]).toEqual([{ id: "a" }, { id: "a", existing: true }]);
    expect(await publishNew(task, [called(2), called(1)])).toMatchObject([{}, { id: "a", existing: true }]);
    expect(sent).toMatchObject([["a"], [expect.any(String)]]);
  });

  it("gives a key back when a later question fails, or the publish", async () => {
    let isAway = true;
    const { task, sent } = await open({ filter }, ({ get }) => ({
      get: (keys) => (keys[0]?.startsWith("id:") && isAway ? Promise.reject(new Error("away")) : get(keys)),
    }));
    await expect(publishNew(task, [called(1, "a")])).rejects.toThrow("away");
    isAway = false;
    const down = { ...task, queue: { ...task.queue, publish: () => Promise.reject(new Error("down")) } };
    await expect(publishNew(down, [called(1, "b")])).rejects.toThrow("down");
    expect(await publishNew(task, [called(1, "c")])).toEqual([{ id: "c" }]);
    expect(sent).toEqual([["c"]]);
  });

  it("keeps the keys of what was accepted by a publish that failed", async () => {
    const { task } = await open({ filter });
    const error = Object.assign(new Error("half"), { accepted: ["a"] });
    const half = { ...task, queue: { ...task.queue, publish: () => Promise.reject(error) } };
    await expect(publishNew(half, [called(1, "a"), called(2, "b")])).rejects.toThrow("half");
    const again = await publishNew(task, [called(1, "c"), called(2, "d")]);
    expect(again).toEqual([{ id: "a", existing: true }, { id: "d" }]);
  });
});
