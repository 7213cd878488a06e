/** The bench of controls: its sides, and the table for the docs. */
import { describe, expect, it } from "vitest";
import { controlsTable } from "../../bench/controls.ts";
import type { EngineBench } from "../../bench/engine.ts";
import { controlNames, memoryControls, plain } from "../../bench/engines/controls.ts";
import { pairRow } from "../../bench/report.ts";
import { roundOf } from "../../bench/side.ts";

const small: EngineBench = { ...memoryControls, jobs: 20, bulk: 8 };

describe("the bench of controls", () => {
  it("compares each control with the task without, and nothing else", () => {
    expect(small.comparisons.map(({ side, against }) => [side, against])).toEqual(
      controlNames.map((name) => [name, [plain]]),
    );
    expect(small.comparisons.filter(({ goals }) => goals).map(({ side }) => side)).toEqual([
      "qps, filter, rpc, record",
    ]);
  });
  it.each([plain, ...controlNames])("runs all jobs of each round: %s", async (name) => {
    const side = await small.open(name, "", `controls-test-${name}`);
    for (let round = 0; round < 2; round++)
      expect(Object.keys(await roundOf(side, small, ["bulk", "consume"]))).toEqual(["bulk", "consume"]);
    await side.close();
  });
  it("gives a line to each control that was measured, and a pair of columns to each broker", () => {
    const row = (broker: string, operation: string, ours: number) =>
      pairRow({ broker, operation, unit: "jobs/s" }, [ours, ours], [100, 100]);
    const rows = [
      row("memory", "bulk, rpc", 90),
      row("memory", "consume, rpc", 50),
      row("memory", "consume, rpc, CPU", 10),
      row("sqlite", "consume, record", 40),
    ];
    const cells = controlsTable(rows)
      .split("\n")
      .map((line) =>
        line
          .split("|")
          .slice(1, -1)
          .map((text) => text.trim()),
      );
    expect(cells[0]).toEqual(["with", "memory, publish", "memory, consume", "sqlite, publish", "sqlite, consume"]);
    expect(cells.slice(2)).toEqual([
      ["`rpc`", "0.90 (0.90 to 0.90)", "0.50 (0.50 to 0.50)", "", ""],
      ["`record`", "", "", "", "0.40 (0.40 to 0.40)"],
    ]);
  });
});
