/** What is kept of an end is carried out one after the other, each until it works. */
import { configure, shutdown, type TaskParams } from "funboost";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import type { Store } from "../../../src/contract/index.ts";
import { answerCancelled, keepCancelled, keepEnd } from "../../../src/results/keep-end.ts";
import type { KeepRequest } from "../../../src/results/keepers.ts";
import { cancelledOutcome } from "../../../src/results/new-outcome.ts";
import type { Outcome } from "../../../src/task/outcome.ts";
import { openedOn } from "../../support/opened.ts";

configure({ signals: false, log: false });
afterEach(() => shutdown({ grace: 100 }));

const outcome: Outcome = { ...cancelledOutcome({ queue: "q" }, "a"), status: "done", result: 7 };
const everything: KeepRequest = {
  limits: { rpc: true, deadLetter: "letter", givenId: true },
  args: [1],
  doneMark: (value) => ({ key: "filter", value, if: { equals: "run" } }),
};

/** A store that writes down what was written, a turn of the event loop later: whoever does not wait is overtaken. */
function noting(failing: () => boolean = () => false) {
  const store = memoryStore();
  const notes: string[] = [];
  const after = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    await new Promise(setImmediate);
    if (failing()) throw new Error("away");
    const answer = await work();
    notes.push(name);
    return answer;
  };
  const noted: Store = {
    ...store,
    set: (entries) => after(entries.map(({ key }) => key.split(":")[0]).join(" "), () => store.set(entries)),
    results: { ...store.results, put: (...args) => after("result", () => store.results.put(...args)) },
  };
  return { store: noted, notes };
}

const all = (notes: string[]): Partial<TaskParams> => ({ record: true, onRecord: () => notes.push("hook") });

describe("an end", () => {
  it("is kept in order: done mark, marks of the message, row, hook, result", async () => {
    const { store, notes } = noting();
    await store.set([{ key: "filter", value: "run" }]);
    await keepEnd(await openedOn(store, all(notes)), everything, outcome);
    expect(notes).toEqual(["filter", "filter", "redriven id", "record", "hook", "result"]);
  });
  it("stops where the store does, and goes on from there", async () => {
    let isDown = true;
    const { store, notes } = noting(() => isDown && notes.length === 1);
    await store.set([{ key: "filter", value: "run" }]);
    let isKept = false;
    const kept = keepEnd(await openedOn(store, all(notes)), everything, outcome)?.then(() => (isKept = true));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([notes, isKept]).toEqual([["filter"], false]);
    isDown = false;
    await kept;
    expect(notes).toEqual(["filter", "filter", "redriven id", "record", "hook", "result"]);
  });
  it("is marked as done where nobody holds the key any more, and never over the mark of another", async () => {
    const store = memoryStore();
    const task = await openedOn(store);
    const request: KeepRequest = { ...everything, limits: {} };
    await keepEnd(task, request, outcome);
    expect(await store.get(["filter"])).toEqual([JSON.stringify(outcome)]);
    await store.set([{ key: "filter", value: "another" }]);
    await keepEnd(task, request, outcome);
    expect(await store.get(["filter"])).toEqual(["another"]);
  });
  it("of which nothing is kept takes no promise", async () => {
    const task = await openedOn(memoryStore());
    expect(keepEnd(task, { limits: {}, args: [], doneMark: undefined }, outcome)).toBeUndefined();
  });
  it("is kept although the task's own hook throws", async () => {
    const { store, notes } = noting();
    const onRecord = () => {
      throw new Error("its table is gone");
    };
    await keepEnd(await openedOn(store, { onRecord, rpc: true }), { ...everything, limits: {} }, outcome);
    expect(notes.at(-1)).toBe("result");
  });
});

describe("a message that was cancelled before it started", () => {
  it("has its row and its answer, whatever its publisher asked for", async () => {
    const { store, notes } = noting();
    const task = await openedOn(store, all(notes));
    await keepCancelled(task, "a");
    expect(notes).toEqual(["record", "hook", "result"]);
    const [text = "{}"] = await store.results.get(task.scope, ["a"]);
    expect(JSON.parse(text)).toMatchObject({ id: "a", status: "cancelled", attempts: 0 });
  });
  it("has only its answer while it may still wait", async () => {
    const { store, notes } = noting();
    await answerCancelled(await openedOn(store, all(notes)), "a");
    expect(notes).toEqual(["result"]);
  });
});
