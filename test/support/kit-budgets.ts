/**
 * What each clause of the kit may cost on one broker: seconds of its cases in all. What is over is printed, and fails
 * nothing: machines are shared.
 */
import type { NamedCase } from "../conformance/index.ts";

export const kitBudgets = {
  guarantees: 50,
  crashes: 80,
  leases: 45,
  sharing: 45,
  limits: 15,
  controls: 15,
  rates: 40,
  filters: 40,
  edits: 10,
  cancels: 10,
  records: 30,
  "own behaviour": 10,
  "what other libraries got wrong": 20,
  lifecycle: 25,
  delivery: 10,
  names: 15,
  jobs: 20,
  "what is handed over": 45,
  crowds: 15,
  settlement: 15,
  "dead letters": 20,
  results: 20,
  errors: 10,
  endings: 10,
  features: 20,
  waiting: 15,
  wire: 5,
  telling: 25,
  trouble: 15,
  "store down": 60,
  contract: 10,
  slow: 400,
  restarts: 120,
} satisfies Readonly<Record<NamedCase["clause"], number>>;
