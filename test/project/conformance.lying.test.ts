/** The kit is tested too: each fault of the lying broker is noticed by the case that is named for it, and by nothing but the fault. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { allCases, createSubject, runCase } from "../conformance/index.ts";
import type { Fault } from "../support/lies.ts";
import { type FaultName, faults } from "../support/lying-broker.ts";

const create = new URL("../support/lying-broker.ts", import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "funboost-lies-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run({ noticedBy, durable = false, bare = false }: Fault, fault: FaultName | "none") {
  const settings = { fault, ...(durable ? { file: join(folder, "queue.db") } : {}), ...(bare ? { bare: "yes" } : {}) };
  // A process that is killed takes longer to be missed than a lie to be found.
  const patienceMs = fault === "none" ? 15_000 : durable ? 5_000 : 1_200;
  const subject = createSubject({ name: "lying", create, settings, leaseMs: 400, patienceMs });
  const found = allCases.find(({ name }) => name === noticedBy);
  if (!found) throw new Error(`there is no case "${noticedBy}"`);
  return runCase(subject, found);
}

const all = Object.entries(faults) as [FaultName, Fault][];
const isAlone = ([, { noticedBy }]: readonly [unknown, Fault]) =>
  allCases.find(({ name }) => name === noticedBy)?.alone === true;

/** What a case says of a lie, in its own words or as a wait for what cannot come. */
const isNotice = ({ name, code }: { readonly name: string; readonly code?: string }) =>
  /^(AssertionError|WaitTimeoutError)$/.test(name) || code === "NO_RESULT" || code === "UNKNOWN_TASK";

function defineLies(list: typeof all): void {
  for (const [name, fault] of list) {
    it(`${name} fails "${fault.noticedBy}"`, async () => {
      await expect(run(fault, name)).rejects.toSatisfy(isNotice);
    });
  }
}

function defineHonest(list: readonly (readonly [unknown, Fault])[]): void {
  for (const [, fault] of list) {
    it(`"${fault.noticedBy}"${fault.bare ? ", emulated" : ""}`, async () => {
      expect((await run(fault, "none")).skipped).toBeUndefined();
    });
  }
}

const needed = [...new Map(all.map(([, fault]) => [`${fault.noticedBy} ${fault.bare} ${fault.durable}`, fault]))];
const timeout = 60_000;

describe.concurrent("a broker that", { timeout }, () => defineLies(all.filter((each) => !isAlone(each))));
describe.concurrent("an honest broker passes", { timeout }, () =>
  defineHonest(needed.filter((each) => !isAlone(each))),
);
describe.sequential("alone, a broker that", { timeout }, () => defineLies(all.filter(isAlone)));
describe.sequential("alone, an honest broker passes", { timeout }, () => defineHonest(needed.filter(isAlone)));
