/** What the three dashboards have in common here. */
import type { Counts } from "./orders.ts";

export interface Dashboard {
  readonly broker: string;
  /** Where it hangs in this example's server; absent for one that has a server of its own. */
  readonly path?: string;
  readonly router?: unknown;
  /** The address for a person. */
  page(base: string): string;
  /** What its own API shows: jobs by state, and the failed ones. */
  read(base: string): Promise<{ readonly counts: Counts; readonly failures: readonly string[] }>;
  /** Removes what is left of the jobs, where the engine does not by itself. */
  close(): Promise<void>;
}
