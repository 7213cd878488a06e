/** The conformance kit: `describeBroker()` proves with vitest that a broker keeps the contract's promises. */
import { describe, it } from "vitest";
import { allCases, type CaseName, type NamedCase, restartCases, slowCases } from "./all-cases.ts";
import { type Outcome, runCase, timeoutOf } from "./run-case.ts";
import { createSubject, type Subject, type SubjectOptions } from "./subject.ts";

export { allCases, type CaseName, type NamedCase, restartCases, slowCases } from "./all-cases.ts";
export type { Case } from "./case.ts";
export type { Context } from "./context.ts";
export { type Outcome, runCase } from "./run-case.ts";
export { type CreateModule, createSubject, type ForeignModule, type KillableServer, type Subject, type SubjectOptions } from "./subject.ts";

/** What a broker needs beside its module, such as a server. */
export interface Service {
  readonly name: string;
  /** Why it cannot be had here; its cases are then skipped with this reason in the title. */
  readonly unavailable?: string;
  /** Settings of `create`, such as its address. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface DescribeOptions extends SubjectOptions {
  readonly service?: Service;
  /** Cases that this broker is known to fail, each with the reason. A case that passes nevertheless fails here: its entry must go. */
  readonly knownGaps?: { readonly [Name in CaseName]?: string };
}

/**
 * Defines all conformance cases for a broker as vitest tests. Cases that start processes run from built JavaScript.
 *
 * @example
 * describeBroker({ name: "memory", create: new URL("./memory.create.ts", import.meta.url) });
 */
export function describeBroker(options: DescribeOptions): void {
  const { name, service, knownGaps = {} } = options;
  if (service?.unavailable !== undefined) return defineUnavailable(name, service.name, service.unavailable);
  const subject = createSubject({ ...options, settings: { ...service?.settings, ...options.settings } });
  if (options.slow) return defineApart(subject, slowCases, knownGaps);
  if (options.server) return defineApart(subject, restartCases, knownGaps);
  describe(name, () => {
    const together = allCases.filter(({ alone }) => !alone);
    const alone = allCases.filter(({ alone }) => alone);
    describe.concurrent("together", () => {
      for (const each of together) defineCase(subject, each, knownGaps[each.name]);
    });
    describe.sequential("alone", () => {
      for (const each of alone) defineCase(subject, each, knownGaps[each.name]);
    });
  });
}

/** Concurrent as a whole: several brokers of one file wait side by side. Slow cases of one broker too; a server is killed for one case at a time. */
function defineApart(subject: Subject, list: readonly NamedCase[], knownGaps: NonNullable<DescribeOptions["knownGaps"]>): void {
  const inside = list === slowCases ? describe.concurrent : describe.sequential;
  describe.concurrent(subject.name, () => {
    inside(list === slowCases ? "side by side" : "one after another", () => {
      for (const each of list) defineCase(subject, each, knownGaps[each.name]);
    });
  });
}

/** A skip that shows; a failure where REQUIRED_SERVICES names the service. */
function defineUnavailable(broker: string, service: string, reason: string): void {
  const required = (process.env.REQUIRED_SERVICES ?? "").split(",").includes(service);
  const title = `${broker}: no ${service} here: ${reason}`;
  if (!required) return it.skip(title, () => {});
  it(title, () => {
    throw new Error(`REQUIRED_SERVICES names ${service}: ${reason}`);
  });
}

declare module "vitest" {
  interface TaskMeta {
    conformance?: Outcome;
  }
}

function defineCase(subject: Subject, each: NamedCase, gap: string | undefined): void {
  const define = gap === undefined ? it : it.fails;
  define(`${each.clause}: ${each.name}${gap === undefined ? "" : ` (known gap: ${gap})`}`, { timeout: timeoutOf(each) + 15_000 }, async ({ task, skip }) => {
    const row = (mode: Outcome["mode"], result: Outcome["result"], reason?: string) =>
      void (task.meta.conformance = { broker: subject.name, case: each.name, mode, result, ...(reason === undefined ? {} : { reason }) });
    row("native", gap === undefined ? "failed" : "known gap", gap);
    const { mode, skipped } = await runCase(subject, each);
    row(mode, skipped === undefined ? "passed" : "skipped", skipped);
    if (skipped !== undefined) skip(skipped);
  });
}
