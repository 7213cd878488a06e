/** What all parts of the adapter know of an open queue. */
import type { TemporalClient } from "./connect/client.ts";

export type Mode = "auto" | "workflow" | "activity";
export type Kind = "workflow" | "activity";

export interface TemporalQueue {
  readonly client: TemporalClient;
  readonly queue: string;
  readonly leaseMs: number;
  readonly mode: Mode;
  /** The task queue on which workflows are carried forward. */
  readonly orchestrator: string;
  readonly recent: Recent;
}

/** What this process did last: other parts need not ask which kind it is, or wait until lists show it. */
export interface Recent {
  readonly kinds: Map<string, Kind>;
  /** Lists must show it. */
  published: Trace | undefined;
  /** Lists must not show it as open. */
  ended: Trace | undefined;
}

export interface Trace {
  readonly fullId: string;
  readonly kind: Kind;
  readonly at: number;
}

export const makeRecent = (): Recent => ({ kinds: new Map(), published: undefined, ended: undefined });
