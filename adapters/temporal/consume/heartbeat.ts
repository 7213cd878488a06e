/** The heartbeats of a Temporal consumer: they keep what it holds, and tell what was cancelled or taken away. */
import { clock, repeat } from "../../../src/base/clock.ts";
import { FunboostError } from "../../../src/base/errors.ts";
import { isGone } from "../connect/errors.ts";
import { createLimit } from "../connect/limit.ts";
import { type Arrival, countsPayload } from "./delivery-counts.ts";
import type { ConsumerParts, HeldTask } from "./state.ts";

const beatsAtOnce = 100;

/** One heartbeat, and what the server says to it. */
export async function beat(
  { service, queue: { client } }: ConsumerParts,
  { task, counts }: Arrival,
): Promise<"ours" | "cancelled" | "gone"> {
  const { target, identity } = client;
  const request = {
    namespace: target.namespace,
    identity,
    taskToken: task.token,
    details: { payloads: [countsPayload(counts)] },
  };
  try {
    const { cancelRequested } = await service().recordActivityTaskHeartbeat(request);
    return cancelRequested ? "cancelled" : "ours";
  } catch (error) {
    if (isGone(error)) return "gone";
    throw error;
  }
}

async function beatHeld(parts: ConsumerParts, entry: HeldTask): Promise<void> {
  const answer = await beat(parts, entry);
  if (answer === "cancelled") entry.controller?.abort(new FunboostError("CANCELLED", "the task was cancelled."));
  if (answer === "gone") entry.controller?.abort(new Error("the task was taken away"));
}

/** The first beat comes after an eighth of the lease: short tasks cost none. */
export async function beatAll(parts: ConsumerParts, leaseMs: number): Promise<void> {
  const slot = createLimit(beatsAtOnce);
  const due = [...parts.state.held.values()].filter(({ since }) => clock.monotonic() - since >= leaseMs / 8);
  const outcomes = await Promise.allSettled(due.map((entry) => slot(() => beatHeld(parts, entry))));
  const failed = outcomes.find((each) => each.status === "rejected");
  if (failed) throw parts.queue.client.explain(failed.reason);
}

/**
 * The lease is the publisher's. Where it is shorter than ours, the core's calls come too late: from the first such task
 * on, all are renewed faster.
 */
export function createFasterBeats(parts: ConsumerParts): (leaseMs: number | undefined) => void {
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
