/** What one Temporal consumer holds, and the heartbeats that keep it. */
import { repeat } from "../../../src/base/clock.ts";
import { FunboostError } from "../../../src/base/errors.ts";
import type { ConsumeOptions, Delivery } from "../../../src/contract/index.ts";
import { isGone, limited, now } from "../connect/client.ts";
import type { Service } from "../connect/protocol.ts";
import type { TemporalQueue } from "../queue.ts";
import type { Fated } from "./activity-task.ts";
import { fatePayload } from "./delivery-counts.ts";
import type { Settler } from "./settler.ts";

export interface Held extends Fated {
  readonly delivery: Delivery;
  readonly since: number;
  readonly controller: AbortController | undefined;
}

export interface State {
  readonly held: Map<Delivery, Held>;
  /** Come in, and not handed on or given back yet. */
  readonly arriving: Set<Promise<void>>;
  /** Set aside: cannot be given back, and may not run yet. */
  readonly kept: Set<Promise<void>>;
  /** No settlement is tried any more. */
  readonly forced: AbortController;
  /** Nothing is held any more, and no poll is opened. */
  readonly stop: AbortController;
  /** Called when the window, the phase, or what is held has changed. */
  readonly watchers: Set<() => void>;
  window: number;
  phase: "open" | "closing" | "forced";
  lastFetchAt: number | undefined;
  lastArrivalAt: number;
}

/** The parts of one consumer. */
export interface Parts {
  readonly queue: TemporalQueue;
  readonly state: State;
  /** Of the native connection. */
  readonly service: Service;
  readonly settler: Settler;
  readonly options: ConsumeOptions;
  report(error: unknown): void;
}

const beatsAtOnce = 100;
/** What is kept has no place in the window: it needs a bound of its own. */
const mostKept = 100;

export function makeState(): State {
  return {
    held: new Map(),
    arriving: new Set(),
    kept: new Set(),
    forced: new AbortController(),
    stop: new AbortController(),
    watchers: new Set(),
    window: 0,
    phase: "open",
    lastFetchAt: undefined,
    lastArrivalAt: now(),
  };
}

/** What comes now may run. */
export const isOpen = ({ phase, window }: State): boolean => phase === "open" && window > 0;

/** How many tasks more may be held. */
export const roomIn = (state: State): number =>
  isOpen(state) ? state.window - state.held.size - state.arriving.size : 0;

/** How many tasks more may be fetched. */
export const roomToFetch = (state: State): number => (state.kept.size < mostKept ? roomIn(state) : 0);

export function tellWatchers({ watchers }: State): void {
  for (const look of watchers) look();
}

/** Resolves when `condition` holds. */
export async function until(state: State, condition: () => boolean): Promise<void> {
  if (condition()) return;
  await new Promise<void>((resolve) => {
    const look = () => {
      if (!condition()) return;
      state.watchers.delete(look);
      resolve();
    };
    state.watchers.add(look);
  });
}

/** One heartbeat, and what the server says to it. */
export async function beat(
  { service, queue: { client } }: Parts,
  { task, fate }: Fated,
): Promise<"ours" | "cancelled" | "gone"> {
  const { target, identity } = client;
  const request = {
    namespace: target.namespace,
    identity,
    taskToken: task.token,
    details: { payloads: [fatePayload(fate)] },
  };
  try {
    const { cancelRequested } = await service.recordActivityTaskHeartbeat(request);
    return cancelRequested ? "cancelled" : "ours";
  } catch (error) {
    if (isGone(error)) return "gone";
    throw error;
  }
}

async function beatHeld(parts: Parts, entry: Held): Promise<void> {
  const answer = await beat(parts, entry);
  if (answer === "cancelled") entry.controller?.abort(new FunboostError("CANCELLED", "the task was cancelled."));
  if (answer === "gone") entry.controller?.abort(new Error("the task was taken away"));
}

/** The first beat comes after an eighth of the lease: short tasks cost none. */
export async function beatAll(parts: Parts, leaseMs: number): Promise<void> {
  const slot = limited(beatsAtOnce);
  const due = [...parts.state.held.values()].filter(({ since }) => now() - since >= leaseMs / 8);
  const outcomes = await Promise.allSettled(due.map((entry) => slot(() => beatHeld(parts, entry))));
  const failed = outcomes.find((each) => each.status === "rejected");
  if (failed) throw parts.queue.client.explain(failed.reason);
}

/** The lease is the publisher's. Where it is shorter than ours, the core's calls come too late: from the first such task on, all are renewed faster. */
export function makeFasterBeats(parts: Parts): (leaseMs: number | undefined) => void {
  const { state, queue, report } = parts;
  let shortest = queue.leaseMs * 0.9;
  let end: (() => Promise<void>) | undefined;
  state.stop.signal.addEventListener("abort", () => void end?.(), { once: true });
  return (leaseMs) => {
    if (!leaseMs || leaseMs >= shortest) return;
    shortest = leaseMs;
    void end?.();
    end = repeat(leaseMs / 4, () => beatAll(parts, leaseMs), report);
  };
}
