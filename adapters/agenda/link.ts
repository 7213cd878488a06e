/** A backend of Agenda that is connected: all that the adapter knows of it. */
import type { AgendaBackend } from "agenda";
import type { AgendaTable } from "./table.ts";

export interface AgendaLink {
  readonly engine: "PostgreSQL" | "Redis" | "MongoDB";
  readonly backend: AgendaBackend;
  readonly table: AgendaTable;
  /** How many jobs are worth holding unstarted. */
  readonly lookahead: number;
  /** Its `queryJobs` asks for one job after another: asked side by side, they go out together. */
  readonly loadsOneByOne: boolean;
  /** Whether failed jobs stay by default: not where their number makes counting slower. */
  readonly keepsFailed: boolean;
  /** Runs `work` while connected; its errors come out in our words. */
  call<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}
