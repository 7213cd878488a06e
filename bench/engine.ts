/** What a comparison of one engine, bare and under boost, is made of. Types only. */
import type { Meter } from "./measure.ts";
import type { Goal } from "./report.ts";

/** `publish`: one by one, many in flight. `bulk`: the engine's own call for many. */
export type Operation = "publish" | "bulk" | "consume";

/** One way to use an engine. `add`, `addMany` and `work` are measured, the rest is not. */
export interface Side {
  add(index: number): Promise<unknown>;
  /** Absent: neither the engine nor this side has a call for many. */
  addMany?(indexes: readonly number[]): Promise<unknown>;
  /** Starts a worker; answers how to stop it. */
  work(meter: Meter): Promise<() => Promise<unknown>>;
  /** All that is published and not done. */
  left(): Promise<number>;
  /** Removes what is left, and what done jobs leave. */
  clear(): Promise<unknown>;
  close(): Promise<void>;
}

export interface Comparison {
  /** Follows the operation in the table: "publish, rpc". Empty for the main one. */
  readonly label: string;
  readonly side: string;
  /** Several are taken together, by their geometric mean. */
  readonly against: readonly string[];
  readonly goals?: Partial<Record<Operation, Goal>>;
}

export interface EngineBench {
  readonly broker: string;
  /** In each measured operation. */
  readonly jobs: number;
  /** Publishes in flight. */
  readonly lanes: number;
  /** In each call of `addMany`. */
  readonly bulk: number;
  /** A round of each: the operations of one round follow each other, so that what was published is what is consumed. */
  readonly rounds: readonly (readonly Operation[])[];
  /** Before each measured operation, where the server works on after its answers. */
  readonly restMs?: number;
  /** `first`: consuming is measured from the first run, so that connecting is not. `start`: from the start of the worker, where an engine takes jobs long before it runs the first. */
  readonly consumeFrom: "first" | "start";
  readonly comparisons: readonly Comparison[];
  /** Sides that take part in some operations only. */
  readonly only?: Readonly<Record<string, readonly Operation[]>>;
  /** Opens a side in its own process; `queue` is its own too. */
  open(side: string, url: string, queue: string): Side | Promise<Side>;
}
