/** All cases, by clause. */
import type { Features } from "../../src/contract/index.ts";
import type { Case } from "./case.ts";
import { contract } from "./contract.ts";
import { controls } from "./controls.ts";
import { deadLetters } from "./dead-letters.ts";
import { delivery } from "./delivery.ts";
import { endings } from "./endings.ts";
import { errors } from "./errors.ts";
import { features } from "./features.ts";
import { guarantees } from "./guarantees.ts";
import { lifecycle } from "./lifecycle.ts";
import { limits } from "./limits.ts";
import { results } from "./results.ts";
import { settlement } from "./settlement.ts";
import { sharing } from "./sharing.ts";
import { trouble } from "./trouble.ts";
import { waiting } from "./waiting.ts";
import { wire } from "./wire.ts";

// Guarantees first: they take longest, and run beside the others.
const clauses = {
  guarantees,
  sharing,
  limits,
  controls,
  lifecycle,
  delivery,
  settlement,
  "dead letters": deadLetters,
  results,
  errors,
  endings,
  features,
  waiting,
  wire,
  trouble,
  contract,
};

type Clauses = typeof clauses;

/** The sentence of a case. */
export type CaseName = { [Clause in keyof Clauses]: keyof Clauses[Clause] }[keyof Clauses];

export interface NamedCase extends Case {
  readonly name: CaseName;
  readonly clause: keyof Clauses;
}

/** Every case of the kit: its sentence, its clause, what it needs, and how to run it. */
export const allCases: readonly NamedCase[] = Object.entries(clauses).flatMap(([clause, list]) =>
  Object.entries<Case>(list).map(([name, each]) => ({ ...each, name: name as CaseName, clause: clause as keyof Clauses })),
);

/** The features that a case needs and this broker does not declare. */
export function missing(each: Case, declared: Features): readonly (keyof Features)[] {
  return (each.needs ?? []).filter((feature) => !declared[feature]);
}

/** Whether the broker itself does what the case looks at. */
export function modeOf(each: Case, declared: Features): "native" | "emulated" {
  return each.feature && !declared[each.feature] ? "emulated" : "native";
}
