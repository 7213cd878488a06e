/** Tasks that cannot be given back: their publisher allowed no other delivery, so that would end them unrun. They stay here until they may run. */
import { clock, repeat } from "../../../src/clock.ts";
import type { Settlement } from "../../../src/contract/index.ts";
import { beat, type Held, type Parts, roomIn, tellWatchers, until } from "./held.ts";
import type { Fated } from "./settle.ts";

/** Before a task is handed on again: the core may not have closed the window yet. */
const shortestStayMs = 100;

export const mustStay = ({ task }: Fated, { outcome }: Settlement): boolean => task.isLast && (outcome === "postponed" || outcome === "returned");

export const stayOf = (settlement: Settlement): number => Math.max(shortestStayMs, settlement.outcome === "postponed" ? settlement.delayMs : 0);

/** Renews its lease until it is due and there is room, or the consumer closes. */
export async function stay(parts: Parts, { task, fate }: Fated, delayMs: number): Promise<void> {
  const { state, report } = parts;
  let isDue = false;
  const ring = () => {
    isDue = true;
    tellWatchers(state);
  };
  const unset = clock.after(delayMs, ring, { unref: true });
  const rest = task.leaseMs === undefined ? undefined : repeat(task.leaseMs / 4, () => beat(parts, { task, fate }), report);
  await until(state, () => state.phase !== "open" || (isDue && roomIn(state) > 0));
  unset();
  void rest?.();
}

/** Takes it out of what is held; false: it was given back by force. */
export function putAside({ state, options }: Parts, { delivery }: Held): boolean {
  const ours = state.held.delete(delivery);
  options.onSettled(delivery, ours ? "applied" : "stale");
  return ours;
}
