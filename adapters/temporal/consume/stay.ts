/**
 * Tasks that cannot be given back: their publisher allowed no other delivery, so that would end them unrun. They stay
 * here until they may run.
 */
import { clock, repeat } from "../../../src/base/clock.ts";
import type { Settlement } from "../../../src/contract/index.ts";
import type { Arrival } from "./delivery-counts.ts";
import { beat } from "./heartbeat.ts";
import { type ConsumerParts, roomIn, tellWatchers, until } from "./state.ts";

/** Before a task is handed on again: the core may not have closed the window yet. */
const shortestStayMs = 100;

export const mustStay = ({ task }: Arrival, { outcome }: Settlement): boolean =>
  task.isLast && (outcome === "postponed" || outcome === "returned");

export const stayMs = (settlement: Settlement): number =>
  Math.max(shortestStayMs, settlement.outcome === "postponed" ? settlement.delayMs : 0);

/**
 * Renews its lease until it is due and there is room, or the consumer closes. False: it was ended meanwhile, by its
 * publisher or its timeout.
 */
export async function stay(parts: ConsumerParts, arrival: Arrival, delayMs: number): Promise<boolean> {
  const { state, settler, report } = parts;
  let [isDue, isOver] = [false, false];
  const wake = (change: () => void) => {
    change();
    tellWatchers(state);
  };
  const unset = clock.after(delayMs, () => wake(() => (isDue = true)), { unref: true });
  const renew = async () => {
    const answer = await beat(parts, arrival);
    if (answer === "cancelled") await settler.endCancelled(arrival);
    if (answer !== "ours") wake(() => (isOver = true));
  };
  const stop = arrival.task.leaseMs === undefined ? undefined : repeat(arrival.task.leaseMs / 4, renew, report);
  await until(state, () => isOver || state.phase !== "open" || (isDue && roomIn(state) > 0));
  unset();
  void stop?.();
  return !isOver;
}
