/**
 * What keeps a delivery from starting. All of it but a filter's claim (run.ts) is decided here; how it then ends is in
 * end-unstarted.ts.
 */
import type { CancelledIds } from "../queue/cancelled-ids.ts";
import type { OpenQueue } from "../setup/model.ts";
import type { Attempt } from "./attempt.ts";
import { crashedTooOften, isSuspect } from "./crashes.ts";
import { expiredReason } from "./expiry.ts";

export type Obstacle =
  | { readonly why: "bad message"; readonly error: Error }
  | { readonly why: "cancelled" }
  | { readonly why: "not due"; readonly delayMs: number }
  | { readonly why: "expired"; readonly reason: string }
  | { readonly why: "crashes" };

/** What may forbid a start: the body as it was read, its message's limits, what its engine counted. */
export type Arrival = Pick<Attempt, "delivery" | "startedAt" | "limits" | "badMessage">;

/** Undefined: it may start. A promise for suspects alone, whose start it counts, and so it is asked last. */
export function beforeStart(
  task: OpenQueue,
  arrival: Arrival,
  isCancelled: CancelledIds["has"],
): Obstacle | undefined | Promise<Obstacle | undefined> {
  const { delivery, startedAt, limits, badMessage } = arrival;
  if (badMessage) return { why: "bad message", error: badMessage };
  if (isCancelled(delivery.id, delivery.publishedAt, limits)) return { why: "cancelled" };
  const { etaMs, isTimed } = limits;
  // Published elsewhere with a delay that its engine does not carry: no other clock has been asked.
  if (etaMs !== undefined && !isTimed && etaMs > startedAt && delivery.attempt === 1)
    return { why: "not due", delayMs: etaMs - startedAt };
  const reason = expiredReason(delivery, limits, task.options.expireAfterMs, startedAt);
  if (reason) return { why: "expired", reason };
  return isSuspect(delivery) ? suspectObstacle(task, arrival) : undefined;
}

async function suspectObstacle(task: OpenQueue, { delivery }: Arrival): Promise<Obstacle | undefined> {
  return (await crashedTooOften(task, delivery)) ? { why: "crashes" } : undefined;
}
