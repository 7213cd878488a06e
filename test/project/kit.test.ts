/** The kit about itself: a case that says that it meets no engine is held to that, and what a clause costs is said. */
import { describe, expect, it } from "vitest";
import { allCases, createSubject, type NamedCase, runCase } from "../conformance/index.ts";
import { brokerLines, type Cost, clauseLines } from "../support/kit-costs.ts";

const create = new URL("../adapters/memory/create.ts", import.meta.url);

describe("a case that meets no engine", () => {
  const asking = (run: NamedCase["run"]) =>
    runCase(createSubject({ name: "memory", create }), {
      name: allCases[0]!.name,
      clause: "contract",
      engine: false,
      run,
    });

  it.each(["count", "clear"] as const)("fails when its task asks for %s()", async (call) => {
    await expect(asking(async ({ task }) => void (await task({}, () => {})[call]()))).rejects.toThrow(`${call}()`);
  });

  it.each(["cancel", "state"] as const)("fails when a handle asks for %s()", async (call) => {
    const run: NamedCase["run"] = async ({ task }) => void (await (await task({}, () => {}).push())[call]());
    await expect(asking(run)).rejects.toThrow(`asked the engine for ${call}()`);
  });

  it("publishes, consumes and settles", async () => {
    let runs = 0;
    await asking(async ({ task, consume, until }) => {
      const job = task({}, () => void runs++);
      await consume(job);
      await job.push();
      await until("it has run", () => runs === 1);
    });
  });

  it("asks for no feature of an engine but that other processes reach it", () => {
    const engineFree = allCases.filter(({ engine }) => engine === false);
    expect(engineFree.length).toBeGreaterThan(20);
    const asked = engineFree.filter(
      ({ feature, uses, needs = [], disrupts, foreign }) =>
        feature || uses || disrupts || foreign || needs.some((need) => need !== "durable"),
    );
    expect(asked.map(({ name }) => name)).toEqual([]);
  });
});

describe("what kits cost", () => {
  const cost = (broker: string, clause: string, seconds: number, part: Cost["part"] = "together"): Cost => ({
    broker,
    clause,
    case: "one",
    part,
    seconds,
    from: 100,
    to: 100 + seconds,
  });
  const costs = [cost("a", "wire", 1), cost("a", "wire", 2, "alone"), cost("b", "wire", 1_000)];

  it("is said by broker: cases, each part, and all in all", () => {
    const [, , , a, b] = brokerLines(costs).map((line) => line.split(/ +/));
    expect([a, b]).toEqual([
      ["a", "2", "1.0", "2.0", "0.0", "3.0"],
      ["b", "1", "1000.0", "0.0", "0.0", "1000.0"],
    ]);
  });

  it("is said by clause, with what is over its budget", () => {
    expect(clauseLines(costs).at(-1)).toMatch(/^wire +1003.0 +501.5 +1000.0 +\d+ {2}over: b 1000.0$/);
    expect(clauseLines(costs.slice(0, 2)).at(-1)).not.toContain("over");
  });
});
