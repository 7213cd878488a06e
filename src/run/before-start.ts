/**
 * What keeps a delivery from starting. All of it but a filter's claim (run.ts) is decided here; how it then ends is in
 * end-unstarted.ts.
 */
import type { CancelledIds } from "../queue/cancelled-ids.ts";
import type { OpenQueue } from "../setup/model.ts";
import type { Trial } from "../slots/slot.ts";
import type { Attempt } from "./attempt.ts";
import { crashedTooOften, wasLost } from "./crashes.ts";
import { expiredReason } from "./expiry.ts";

export type Obstacle =
  | { readonly why: "bad message"; readonly error: Error }
  | { readonly why: "cancelled" }
  | { readonly why: "not due"; readonly delayMs: number }
  | { readonly why: "expired"; readonly reason: string }
  /** `isLasting`: it waits for a task that takes it, however long. */
  | { readonly why: "unbound"; readonly error: Error; readonly isLasting?: boolean }
  | { readonly why: "crashes" };

/** What may forbid a start: the body as it was read, its message's limits, what its engine counted. */
export type Arrival = Pick<Attempt, "delivery" | "startedAt" | "limits" | "badMessage" | "unbound">;

/** Undefined: it may start. A promise only for what was lost, whose start it marks, and so it is asked last. */
export function beforeStart(
  task: OpenQueue,
  arrival: Arrival,
  isCancelled: CancelledIds["has"],
  trial?: Trial,
): Obstacle | undefined | Promise<Obstacle | undefined> {
  const { delivery, startedAt, limits, badMessage, unbound } = arrival;
  if (badMessage) return { why: "bad message", error: badMessage };
  if (isCancelled(delivery.id, delivery.publishedAt, limits)) return { why: "cancelled" };
  const { etaMs, isTimed } = limits;
  // Published elsewhere with a delay that its engine does not carry: no other clock has been asked.
  if (etaMs !== undefined && !isTimed && etaMs > startedAt && delivery.attempt === 1)
    return { why: "not due", delayMs: etaMs - startedAt };
  const reason = expiredReason(delivery, limits, task.options.expireAfterMs, startedAt);
  if (reason) return { why: "expired", reason };
  if (unbound) return { why: "unbound", error: unbound };
  return wasLost(delivery) ? crashObstacle(task, arrival, trial) : undefined;
}

async function crashObstacle(
  task: OpenQueue,
  { delivery }: Arrival,
  trial: Trial | undefined,
): Promise<Obstacle | undefined> {
  return (await crashedTooOften(task, delivery, trial)) ? { why: "crashes" } : undefined;
}
