/**
 * What a conformance case is. Cases know no test runner: vitest wraps them, and `npm run conformance` runs them by
 * itself.
 */
import type { Features } from "../../src/contract/index.ts";
import type { Context } from "./context.ts";

export interface Case {
  /** The features without which the promise does not hold on any broker. They are never emulated. */
  readonly needs?: readonly (keyof Features)[];
  /** The feature under test: native where the broker declares it, else emulated by the core. */
  readonly feature?: keyof Features;
  /** Features that it asks for in passing, native or emulated. */
  readonly uses?: readonly (keyof Features)[];
  /** Asks for what is kept in a store and nowhere else, such as progress. */
  readonly store?: boolean;
  /** Takes the store away; a broker that has none gets one in memory. */
  readonly outage?: boolean;
  /**
   * False: it meets only core and store. Of an engine it asks to publish, consume and settle; runs once for each
   * store.
   */
  readonly engine?: false;
  /** Starts processes of its own, from the built package. */
  readonly processes?: boolean;
  /** Cuts the connections of all that use the engine. */
  readonly disrupts?: boolean;
  /** Keeps the machine busy: runs after the others, not beside them. */
  readonly alone?: boolean;
  /** Waits for leases to end, again and again: runs after the others too, but beside those of all brokers. */
  readonly waits?: boolean;
  /** Needs a module that publishes with the engine's own client. */
  readonly foreign?: boolean;
  /** @default 30_000 */
  readonly timeoutMs?: number;
  run(context: Context): Promise<void>;
}

/** Cases by their sentence. Keeps the sentences as literal types, so that `knownGaps` is checked against them. */
export function cases<Name extends string>(
  list: Readonly<Record<Name, Case | Case["run"]>>,
): Readonly<Record<Name, Case>> {
  const entries = Object.entries<Case | Case["run"]>(list).map(([name, each]) => [
    name,
    typeof each === "function" ? { run: each } : each,
  ]);
  return Object.fromEntries(entries) as Record<Name, Case>;
}

/** Cases of what is kept in a store. */
export function kept<Name extends string>(
  list: Readonly<Record<Name, Case | Case["run"]>>,
): Readonly<Record<Name, Case>> {
  return Object.fromEntries(
    Object.entries<Case>(cases(list)).map(([name, each]) => [name, { ...each, store: true }]),
  ) as Record<Name, Case>;
}
