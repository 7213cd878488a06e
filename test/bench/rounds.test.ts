/** One round of one side, and the rows made of many: on sides and samples whose answers are known. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { only, rowsOf } from "../../bench/compare.ts";
import type { EngineBench, Operation, Side } from "../../bench/engine.ts";
import type { Meter, Sample } from "../../bench/measure.ts";
import { goals } from "../../bench/report.ts";
import { roundOf } from "../../bench/side.ts";

afterEach(() => vi.useRealTimers());

const bench: EngineBench = {
  broker: "fake",
  jobs: 7,
  lanes: 2,
  bulk: 3,
  rounds: [["publish", "bulk", "consume"]],
  consumeFrom: "first",
  comparisons: [
    { label: "bare against bare", side: "again", against: ["bare"] },
    { label: "", side: "ours", against: ["bare", "again"], goals: { consume: goals.ratioAbove(0.95) } },
  ],
  open: () => fakeSide().side,
};

/** An engine in a list, which can lose a job or run one twice. */
function fakeSide({ lost = 0, twice = false } = {}) {
  const calls: string[] = [];
  const jobs: number[] = [];
  const add = async (index: number) => void (index < lost || jobs.push(index));
  const side: Side = {
    add,
    async addMany(indexes) {
      calls.push(`bulk of ${indexes.length}`);
      for (const index of indexes) await add(index);
    },
    async work({ hit }: Meter) {
      calls.push("work");
      setImmediate(() => {
        if (twice) hit();
        for (const _ of jobs.splice(0)) hit();
      });
      return async () => void calls.push("stop");
    },
    left: async () => jobs.length,
    async clear() {
      calls.push(`clear ${jobs.splice(0).length}`);
    },
    close: async () => {},
  };
  return { side, calls };
}

describe("a round", () => {
  it("consumes what was published before it, and clears what is not consumed", async () => {
    const { side, calls } = fakeSide();
    const samples = await roundOf(side, bench, ["publish", "bulk", "consume"]);
    expect(Object.keys(samples)).toEqual(["publish", "bulk", "consume"]);
    expect(calls).toEqual(["clear 7", "bulk of 3", "bulk of 3", "bulk of 1", "work", "stop", "clear 0"]);
  });
  it("rests before each measurement where the engine asks for it", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    const { side, calls } = fakeSide();
    const round = roundOf(side, { ...bench, restMs: 1_000 }, ["bulk", "consume"]);
    await vi.advanceTimersByTimeAsync(999);
    expect(calls).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(calls).toEqual(["bulk of 3", "bulk of 3", "bulk of 1"]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(Object.keys(await round)).toEqual(["bulk", "consume"]);
  });
  it("publishes unmeasured where only consuming is asked for", async () => {
    const { side, calls } = fakeSide();
    expect(Object.keys(await roundOf(side, bench, ["consume"]))).toEqual(["consume"]);
    expect(calls[0]).toBe("bulk of 3");
    const one = fakeSide();
    delete one.side.addMany;
    await roundOf(one.side, bench, ["consume"]);
    expect(one.calls).toEqual(["work", "stop", "clear 0"]);
  });
  it("refuses figures of an engine that lost a job, or ran one twice", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "performance"] });
    const waiting = roundOf(fakeSide({ lost: 1 }).side, bench, ["publish"]);
    const refused = expect(waiting).rejects.toThrow("jobs left in the queue: 6, must be 7");
    await vi.advanceTimersByTimeAsync(60_000);
    await refused;
    await expect(roundOf(fakeSide({ twice: true }).side, bench, ["consume"])).rejects.toThrow("runs: 8, must be 7");
  });
});

describe("comparisons", () => {
  const labels = (...wanted: string[]) => only(bench, wanted).comparisons.map(({ label }) => label);
  it("are all, or those that are named; one that is not there is refused, whatever else is", () => {
    expect([labels(), labels("")]).toEqual([["bare against bare", ""], [""]]);
    expect(() => labels("", "nothing")).toThrow('fake has no comparison "nothing". It has: "bare against bare", "".');
  });
});

describe("rows", () => {
  const sample = (perSecond: number): Sample => ({ perSecond, cpuUs: 1_000 / perSecond });
  const rounds = (operation: Operation, ...speeds: number[]) => speeds.map((speed) => ({ [operation]: sample(speed) }));

  it("compare with the geometric mean of several sides, round by round, and judge by the operation's goal", () => {
    const samples = {
      bare: rounds("consume", 100, 50),
      again: rounds("consume", 400, 200),
      ours: rounds("consume", 200, 300),
    };
    const [noise, , ours, cpu, ...rest] = rowsOf(bench, "consume", samples);
    expect(noise).toMatchObject({ operation: "consume, bare against bare", ours: 300, bare: 75, ratio: 4 });
    expect(ours).toMatchObject({
      operation: "consume",
      unit: "jobs/s",
      ours: 250,
      bare: 150,
      low: 1,
      high: 3,
      goal: "low > 0.95",
      met: true,
    });
    expect(cpu).toMatchObject({ operation: "consume, CPU", unit: "us/job" });
    expect(rest).toEqual([]);
  });
  it("leave out a side that did not take part, and set no goal where there is none", () => {
    const rows = rowsOf(bench, "publish", {
      bare: rounds("publish", 100),
      again: rounds("publish", 100),
      ours: rounds("consume", 100),
    });
    expect(rows.map(({ operation }) => operation)).toEqual([
      "publish, bare against bare",
      "publish, bare against bare, CPU",
    ]);
    expect(
      rowsOf(bench, "publish", {
        bare: rounds("publish", 1),
        again: rounds("publish", 1),
        ours: rounds("publish", 1),
      })[2]?.goal,
    ).toBeUndefined();
  });
});
