/** What the parts of one Agenda consumer share. */
import type { ConsumeOptions, Delivery } from "../../src/contract/index.ts";
import type { AgendaLink } from "./link.ts";
import type { AgendaNotices } from "./notices.ts";
import type { AgendaBackoff } from "./options.ts";
import type { RowRules } from "./row-after.ts";
import type { Job } from "./table.ts";

export interface ConsumeContext extends RowRules {
  readonly link: AgendaLink;
  readonly notices: AgendaNotices;
  /** Of jobs of others. */
  readonly backoff: AgendaBackoff | undefined;
}

export interface AgendaDelivery extends Delivery {
  readonly native: Job;
}

export interface Session {
  readonly context: ConsumeContext;
  readonly name: string;
  /** Of each job that is held: the time of its lock, as it was last written. */
  readonly locks: Map<Job, number | undefined>;
  /** What is known of settlements whose exchange failed later on: true where the lock was still ours. */
  readonly applied: Map<Job, boolean>;
  readonly onError: ConsumeOptions["onError"];
  /** A token of its own for each round of claims: a job that comes twice to one consumer is told apart. */
  nextToken(): string;
}
