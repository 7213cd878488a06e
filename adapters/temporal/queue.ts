/** What all parts of the adapter know of an open queue. */
import { createForgetfulMap, type ForgetfulMap } from "../../src/base/forgetful-map.ts";
import type { TemporalClient } from "./connect/client.ts";

export type Mode = "auto" | "workflow" | "activity";
export type Kind = "workflow" | "activity";

export interface TemporalQueue {
  readonly client: TemporalClient;
  readonly queue: string;
  readonly leaseMs: number;
  readonly publishTimeoutMs: number;
  readonly mode: Mode;
  /** The task queue on which workflows are carried forward. */
  readonly orchestrator: string;
  readonly recent: Recent;
}

/** What this process did last: other parts need not ask which kind it is, or wait until lists show it. */
export interface Recent {
  readonly kinds: ForgetfulMap<string, Kind>;
  /** Lists must show it. */
  published: RecentMessage | undefined;
  /** Lists must not show it as open. */
  ended: RecentMessage | undefined;
}

export interface RecentMessage {
  readonly fullId: string;
  readonly kind: Kind;
  readonly at: number;
}

const mostKinds = 10_000;

export const createRecent = (): Recent => ({
  kinds: createForgetfulMap(mostKinds),
  published: undefined,
  ended: undefined,
});
