/**
 * What a consumer tells of its engine to those who listen: fetches, settlements, deliveries that were lost with their
 * process.
 */
import { type Fields, fetching, isWatched, points, settling, tell } from "../base/events.ts";
import { createForgetfulMap } from "../base/forgetful-map.ts";
import type { Delivery, Handler, Settlement } from "../contract/broker.ts";
import { createFetchEvents } from "./fetch-events.ts";
import { createSettleEvents } from "./settle-events.ts";

export interface ConsumerEvents {
  handle(delivery: Delivery, handler: Handler): Promise<Settlement>;
  setWindow(n: number): void;
  onSettled(delivery: Delivery, outcome: "applied" | "stale"): void;
  onError(error: Error): void;
  onClosed(): void;
}

/** Of which it remembers that they were reported. */
const mostCrashed = 1_000;

/** Costs a look at a few flags while nobody listens. */
export function createConsumerEvents(where: Fields): ConsumerEvents {
  const fetches = createFetchEvents(where);
  const settlements = createSettleEvents(where);
  const reportCrash = createCrashReport(where);
  return {
    handle(delivery, handler) {
      if (delivery.crashes) reportCrash(delivery);
      if (isWatched(fetching)) fetches.onDelivery(delivery);
      const settlement = handler(delivery);
      return isWatched(settling) ? settlements.handle(delivery, settlement) : settlement;
    },
    setWindow: fetches.setWindow,
    onSettled(delivery, outcome) {
      if (isWatched(settling) || settlements.isOpen()) settlements.onSettled(delivery, outcome);
    },
    onError: fetches.onError,
    onClosed() {
      fetches.setWindow(0);
      settlements.onClosed();
    },
  };
}

/** Once for each loss: a delivery that is put away and comes back still carries the count. */
function createCrashReport(where: Fields): (delivery: Delivery) => void {
  const reported = createForgetfulMap<string, number>(mostCrashed);
  return ({ id: taskId, attempt, crashes = 0 }) => {
    if (crashes <= (reported.get(taskId) ?? 0)) return;
    reported.set(taskId, crashes);
    tell(points.crashed, () => ({ ...where, taskId, attempt, crashes }));
  };
}
