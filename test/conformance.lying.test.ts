/** The kit is tested too: each fault of the lying broker is noticed by the case that is named for it, and by nothing but the fault. */
import { describe, expect, it } from "vitest";
import { allCases, createSubject, runCase } from "./conformance/index.ts";
import { type FaultName, faults } from "./support/lying-broker.ts";

const create = new URL("./support/lying-broker.ts", import.meta.url);

function run(caseName: string, fault: FaultName | "none") {
  const subject = createSubject({ name: "lying", create, settings: { fault }, leaseMs: 400, patienceMs: fault === "none" ? 15_000 : 1_200 });
  const found = allCases.find(({ name }) => name === caseName);
  if (!found) throw new Error(`there is no case "${caseName}"`);
  return runCase(subject, found);
}

describe.concurrent("a broker that", () => {
  for (const [fault, { noticedBy }] of Object.entries(faults)) {
    it(`${fault} fails "${noticedBy}"`, async () => {
      await expect(run(noticedBy, fault as FaultName)).rejects.toMatchObject({ name: "AssertionError" });
    });
  }
});

describe.concurrent("an honest broker passes", () => {
  for (const name of new Set(Object.values(faults).map(({ noticedBy }) => noticedBy))) {
    it(`"${name}"`, async () => {
      expect(await run(name, "none")).toEqual({ mode: "native" });
    });
  }
});
