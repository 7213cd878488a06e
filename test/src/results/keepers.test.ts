/** What is kept of an end, and in which order. */
import { configure, shutdown, type TaskParams } from "funboost";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { type EndWrite, isKept, type KeepRequest, writesOf } from "../../../src/results/keepers.ts";
import { cancelledOutcome } from "../../../src/results/new-outcome.ts";
import type { Outcome } from "../../../src/task/outcome.ts";
import { openedOn } from "../../support/opened.ts";

configure({ signals: false, log: false });
afterEach(() => shutdown({ grace: 100 }));

const nothing: KeepRequest = { limits: {}, args: [1], doneMark: undefined };
const everything: KeepRequest = {
  limits: { rpc: true, deadLetter: "letter", givenId: true },
  args: [1],
  doneMark: (outcome) => ({ key: "filter", value: outcome, if: { equals: "run" } }),
};
const all: Partial<TaskParams> = { record: true, onRecord: () => {}, rpc: { ttl: "1m" } };
const open = (params?: Partial<TaskParams>) => openedOn(memoryStore(), params);
const outcomeOf = (status: Outcome["status"]): Outcome => ({
  ...cancelledOutcome({ queue: "q" }, "a"),
  status,
  result: 7,
});
const kinds = (writes: readonly EndWrite[]) => writes.map(({ to }) => to);
/** What its keys begin with. */
const keys = (write: EndWrite | undefined) =>
  write?.to === "keys" ? write.entries.map(({ key }) => key.split(":")[0]) : [];

describe("the keepers of an end", () => {
  it("answer in the order that crash safety hangs on", async () => {
    const task = await open(all);
    const writes = writesOf(task, everything, outcomeOf("done"));
    expect(kinds(writes)).toEqual(["keys", "keys", "rows", "hook", "results"]);
    expect(keys(writes[0])).toEqual(["filter"]);
    expect(keys(writes[1])).toEqual(["redriven", "id"]);
  });
  it("are asked for nothing by most tasks, before there is an outcome", async () => {
    const task = await open();
    expect(isKept(task, nothing)).toBe(false);
    expect(writesOf(task, nothing, outcomeOf("done"))).toEqual([]);
    expect(isKept(task, { ...nothing, limits: { rpc: true } })).toBe(true);
    expect(isKept(task, { ...nothing, limits: { givenId: true } })).toBe(true);
    expect(isKept(task, { ...nothing, limits: { deadLetter: "letter" } })).toBe(true);
    expect(isKept(task, { ...nothing, doneMark: everything.doneMark })).toBe(true);
    expect(isKept(task, everything)).toBe(true);
    expect(isKept(await open({ record: true }), nothing)).toBe(true);
    expect(isKept(await open({ onRecord: () => {} }), nothing)).toBe(true);
  });
  it("write one thing for a task with rpc alone, and none where the message wants none", async () => {
    const task = await open({ rpc: { ttl: "1m" } });
    expect(writesOf(task, nothing, outcomeOf("done"))).toMatchObject([
      { to: "results", entry: { id: "a", ttlMs: 60_000 } },
    ]);
    expect(writesOf(task, { ...nothing, limits: { rpc: false } }, outcomeOf("done"))).toEqual([]);
  });
  it("make the outcome's text once, for the mark, the row and the result", async () => {
    let made = 0;
    const outcome = { ...outcomeOf("done"), toJSON: () => ({ made: ++made }) };
    const writes = writesOf(await open(all), everything, outcome);
    expect(made).toBe(1);
    expect(writes).toMatchObject([
      { entries: [{ value: '{"made":1}' }] },
      {},
      { json: '{"made":1}' },
      {},
      { entry: { outcome: '{"made":1}' } },
    ]);
  });
  it("do not mark as done what failed, and let the id of what was cancelled be used again", async () => {
    const task = await open(all);
    expect(keys(writesOf(task, everything, outcomeOf("failed"))[0])).toEqual(["redriven", "id"]);
    expect(keys(writesOf(task, everything, outcomeOf("cancelled"))[0])).toEqual(["redriven"]);
    const limits = { givenId: true };
    expect(writesOf(await open(), { ...nothing, limits }, outcomeOf("cancelled"))).toEqual([]);
  });
});
