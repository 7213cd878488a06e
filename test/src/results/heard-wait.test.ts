/** Waits in a store that tells by a call: how each ends, and what it leaves behind. */
import { getEventListeners } from "node:events";
import { boost, configure, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { sleep } from "../../../src/base/clock.ts";
import { FunboostError } from "../../../src/base/errors.ts";
import type { Store } from "../../../src/contract/index.ts";
import { withStore } from "../../support/with-store.ts";

configure({ signals: false, log: false });
afterEach(() => shutdown({ grace: 100 }));

type Heard = (outcome: string | Error) => void;

/** A memory store that counts who hears, and tells what it is told to. */
function counted() {
  const store = memoryStore();
  const hearing = new Set<Heard>();
  let waits = 0;
  const hear = (queue: string, id: string, heard: Heard) => {
    hearing.add(heard);
    const forget = store.results.wait.hear?.(queue, id, heard);
    return () => {
      hearing.delete(heard);
      forget?.();
    };
  };
  const wait: Store["results"]["wait"] = Object.assign(
    (...how: Parameters<Store["results"]["wait"]>) => {
      waits++;
      return store.results.wait(...how);
    },
    { hear },
  );
  return { store: { ...store, results: { ...store.results, wait } } as Store, hearing, waits: () => waits };
}

let queues = 0;
const taskOn = (store: Store) =>
  boost({ queue: `heard.${queues++}`, broker: withStore(memory(), store), rpc: true }, (n: number) => n);

describe("a wait that a store tells by a call", () => {
  it("ends with its result, whether that is there or comes, and hears no more", async () => {
    const { store, hearing, waits } = counted();
    const task = taskOn(store);
    const handles = await task.pushMany([[1], [2], [3]]);
    const waiting = handles.map((handle) => handle.waitResult());
    await sleep(5);
    expect(hearing.size).toBe(3);
    await task.consume();
    expect(await Promise.all(waiting)).toEqual([1, 2, 3]);
    expect(await handles[0]?.waitResult()).toBe(1);
    expect([hearing.size, waits()]).toEqual([0, 0]);
  });
  it("ends at its timeout and with its signal, and leaves nothing behind", async () => {
    const { store, hearing } = counted();
    const task = taskOn(store);
    const handle = await task.push(1);
    const stop = new AbortController();
    await expect(handle.waitResult({ timeout: 20 })).rejects.toMatchObject({ code: "WAIT_TIMEOUT" });
    const waiting = handle.waitResult({ signal: stop.signal });
    await sleep(5);
    expect(hearing.size).toBe(1);
    stop.abort("enough");
    await expect(waiting).rejects.toBe("enough");
    await expect(handle.waitResult({ signal: stop.signal })).rejects.toBe("enough");
    expect([hearing.size, getEventListeners(stop.signal, "abort").length]).toEqual([0, 0]);
  });
  it("goes on through an outage, and ends with what the store refuses", async () => {
    const { store, hearing } = counted();
    const task = taskOn(store);
    const waiting = (await task.push(1)).waitResult();
    const refused = (await task.push(2)).waitResult();
    await sleep(5);
    const [first, second] = [...hearing];
    first?.(new Error("its connection is gone"));
    second?.(new FunboostError("STORE", "closed"));
    await expect(refused).rejects.toMatchObject({ code: "STORE" });
    expect(hearing.size).toBe(0);
    await task.consume();
    expect(await waiting).toBe(1);
  });
  it("ends with an error where what is kept is no JSON", async () => {
    const { store, hearing } = counted();
    const waiting = (await taskOn(store).push(1)).waitResult();
    await sleep(5);
    for (const heard of hearing) heard("no JSON");
    await expect(waiting).rejects.toMatchObject({ code: "NO_RESULT" });
  });
});
