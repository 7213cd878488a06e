/** The conformance kit: `describeBroker()` proves with vitest that a broker keeps the contract's promises. */
import { describe, inject, it } from "vitest";
import { allCases, type CaseName, type NamedCase, restartCases, slowCases, storeRestartCases } from "./all-cases.ts";
import { type Outcome, runCase, timeoutOf } from "./run-case.ts";
import { createSubject, type Subject, type SubjectOptions } from "./subject.ts";

export { allCases, type CaseName, type NamedCase, restartCases, slowCases, storeRestartCases } from "./all-cases.ts";
export type { Case } from "./case.ts";
export type { Context } from "./context.ts";
export { type Outcome, runCase } from "./run-case.ts";
export {
  type CreateModule,
  createSubject,
  type ForeignModule,
  type KillableServer,
  type Subject,
  type SubjectOptions,
} from "./subject.ts";

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
  /**
   * Cases that this broker is known to fail, each with the reason. A case that passes nevertheless fails here: its
   * entry must go.
   */
  readonly knownGaps?: { readonly [Name in CaseName]?: string };
  /**
   * How many cases run side by side: fewer for an engine that takes much of the machine. @default as many as vitest
   * allows
   */
  readonly atOnce?: number;
  /** Only these clauses, or only these cases, for a second way of one engine. @default all */
  readonly clauses?: readonly NamedCase["clause"][];
  readonly cases?: readonly CaseName[];
  /**
   * True: only the cases that meet no engine, over the store of this broker. They are left out otherwise. @default
   * false
   */
  readonly storeOnly?: boolean;
}

/**
 * Defines all conformance cases for a broker as vitest tests. Cases that start processes run from built JavaScript.
 *
 * @example
 * describeBroker({ name: "memory", create: new URL("./create.ts", import.meta.url) });
 */
export function describeBroker(options: DescribeOptions): void {
  const { name, service, knownGaps = {} } = options;
  if (service?.unavailable !== undefined) return defineUnavailable(name, service.name, service.unavailable);
  const subject = createSubject({ ...options, settings: { ...service?.settings, ...options.settings } });
  if (options.slow) return defineApart(subject, slowCases, knownGaps);
  if (options.server) return defineApart(subject, restartCases, knownGaps);
  if (options.storeServer) return defineApart(subject, storeRestartCases, knownGaps);
  return defineParts(subject, options);
}

/** A vitest project that runs one part of every kit says so by `provide`: only one of all kits is alone at a time. */
function defineParts(subject: Subject, options: DescribeOptions): void {
  const { name, knownGaps = {}, atOnce = Number.POSITIVE_INFINITY } = options;
  const only = inject("kitPart");
  const chosen = chosenCases(options).filter((each) => (only ?? partOf(each)) === partOf(each));
  if (only && chosen.length === 0) return; // an empty suite fails
  const define = (part: KitPart, line = noLine) => {
    const own = chosen.filter((each) => partOf(each) === part);
    const suite = part === "together" ? describe.concurrent : describe.sequential;
    if (own.length > 0) suite(part, () => own.forEach((each) => defineCase(subject, each, knownGaps[each.name], line)));
  };
  describe(name, () => {
    define("together", waitingLine(atOnce));
    define("alone");
    define("waits");
  });
}

function chosenCases({ clauses, cases, storeOnly = false }: DescribeOptions): NamedCase[] {
  const wanted = process.env.FUNBOOST_KIT_CLAUSES?.split(","); // npm run conformance -- --clause
  return allCases.filter(
    ({ clause, name, engine = true }) =>
      engine !== storeOnly &&
      (clauses?.includes(clause) ?? true) &&
      (cases?.includes(name) ?? true) &&
      (wanted?.includes(clause) ?? true),
  );
}

type KitPart = "together" | "alone" | "waits";

const partOf = ({ alone = false, waits = false }: NamedCase): KitPart =>
  waits ? "waits" : alone ? "alone" : "together";

interface Line {
  /** A case's time to wait for its turn, and the turn. */
  readonly longestMs: number;
  turn<T>(work: () => Promise<T>): Promise<T>;
}

const noLine: Line = { longestMs: 0, turn: (work) => work() };

function waitingLine(places: number): Line {
  if (places === Number.POSITIVE_INFINITY) return noLine;
  const waiting: (() => void)[] = [];
  let free = places;
  return {
    longestMs: 600_000,
    async turn(work) {
      if (free-- <= 0) await new Promise<void>((go) => waiting.push(go));
      try {
        return await work();
      } finally {
        free++;
        waiting.shift()?.();
      }
    },
  };
}

/**
 * Concurrent as a whole: several brokers of one file wait side by side. Slow cases of one broker too; a server is
 * killed for one case at a time.
 */
function defineApart(
  subject: Subject,
  list: readonly NamedCase[],
  knownGaps: NonNullable<DescribeOptions["knownGaps"]>,
): void {
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
  interface ProvidedContext {
    kitPart: KitPart | undefined;
  }
}

function defineCase(subject: Subject, each: NamedCase, gap: string | undefined, line = noLine): void {
  const define = gap === undefined ? it : it.fails;
  const timeout = timeoutOf(each, subject) + 15_000 + line.longestMs;
  define(
    `${each.clause}: ${each.name}${gap === undefined ? "" : ` (known gap: ${gap})`}`,
    { timeout },
    async ({ task, skip }) => {
      const row = (found: Pick<Outcome, "mode" | "result" | "reason" | "seconds">) => {
        task.meta.conformance = { broker: subject.name, case: each.name, clause: each.clause, ...found };
      };
      row(
        gap === undefined ? { mode: "native", result: "failed" } : { mode: "native", result: "known gap", reason: gap },
      );
      const { mode, skipped, seconds } = await line.turn(() => timed(() => runCase(subject, each)));
      row({
        mode,
        seconds,
        ...(skipped === undefined ? { result: "passed" } : { result: "skipped", reason: skipped }),
      });
      if (skipped !== undefined) skip(skipped);
    },
  );
}

async function timed<T>(work: () => Promise<T>): Promise<T & { readonly seconds: number }> {
  const from = performance.now();
  const answer = await work();
  return { ...answer, seconds: (performance.now() - from) / 1_000 };
}
