/** All cases, by clause. */
import type { Features } from "../../src/contract/index.ts";
import { cancels } from "./cancels.ts";
import type { Case } from "./case.ts";
import { contract } from "./contract.ts";
import { controls } from "./controls.ts";
import { crashes } from "./crashes.ts";
import { crowds } from "./crowds.ts";
import { deadLetters } from "./dead-letters.ts";
import { delivery } from "./delivery.ts";
import { edits } from "./edits.ts";
import { endings } from "./endings.ts";
import { errors } from "./errors.ts";
import { features } from "./features.ts";
import { field } from "./field.ts";
import { filters } from "./filters.ts";
import { guarantees } from "./guarantees.ts";
import { handedOver } from "./handed-over.ts";
import { jobs } from "./jobs.ts";
import { leases, slowLeases } from "./leases.ts";
import { lifecycle } from "./lifecycle.ts";
import { limits } from "./limits.ts";
import { names } from "./names.ts";
import { own } from "./own.ts";
import { rates } from "./rates.ts";
import { records } from "./records.ts";
import { restarts, storeRestarts } from "./restarts.ts";
import { results } from "./results.ts";
import { settlement } from "./settlement.ts";
import { sharing } from "./sharing.ts";
import { slow } from "./slow.ts";
import { storeDown } from "./store-down.ts";
import { telling } from "./telling.ts";
import { trouble } from "./trouble.ts";
import { waiting } from "./waiting.ts";
import { wire } from "./wire.ts";

// Guarantees first: they take longest, and run beside the others.
const clauses = {
  guarantees,
  crashes,
  leases,
  sharing,
  limits,
  controls,
  rates,
  filters,
  cancels,
  edits,
  records,
  "own behaviour": own,
  "what other libraries got wrong": field,
  lifecycle,
  delivery,
  names,
  jobs,
  "what is handed over": handedOver,
  crowds,
  settlement,
  "dead letters": deadLetters,
  results,
  errors,
  endings,
  features,
  waiting,
  wire,
  telling,
  trouble,
  "store down": storeDown,
  contract,
};

type Clauses = typeof clauses;

/** The sentence of a case. */
export type CaseName =
  | { [Clause in keyof Clauses]: keyof Clauses[Clause] }[keyof Clauses]
  | keyof typeof slow
  | keyof typeof slowLeases
  | keyof typeof restarts
  | keyof typeof storeRestarts;

export interface NamedCase extends Case {
  readonly name: CaseName;
  readonly clause: keyof Clauses | "slow" | "restarts";
}

function named(clause: NamedCase["clause"], list: Readonly<Record<string, Case>>): readonly NamedCase[] {
  return Object.entries(list).map(([name, each]) => ({ ...each, name: name as CaseName, clause }));
}

/** Every case of the kit but those that run by themselves (slow, restarts): its sentence, its clause, what it needs, and how to run it. */
export const allCases: readonly NamedCase[] = Object.entries(clauses).flatMap(([clause, list]) =>
  named(clause as keyof Clauses, list),
);

/** Cases of a minute or more, at the library's own lease; all run side by side. */
export const slowCases: readonly NamedCase[] = named("slow", { ...slow, ...slowLeases });

/** Cases that kill the engine's server. */
export const restartCases: readonly NamedCase[] = named("restarts", restarts);

/** Cases that kill the server of the store, while the engine works on. */
export const storeRestartCases: readonly NamedCase[] = named("restarts", storeRestarts);

/** The features that a case needs and this broker does not declare. */
export function missing(each: Case, declared: Features): readonly (keyof Features)[] {
  return (each.needs ?? []).filter((feature) => !declared[feature]);
}

/** The features that a case asks for, natively or emulated. */
export function wanted(each: Case): readonly (keyof Features)[] {
  return [...(each.feature ? [each.feature] : []), ...(each.uses ?? [])];
}

/** Whether the broker itself does what the case looks at. */
export function modeOf(each: Case, declared: Features): "native" | "emulated" {
  return each.feature && !declared[each.feature] ? "emulated" : "native";
}
