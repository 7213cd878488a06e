/** Which control keeps a consumer from starting anything, and since when. */
import { clock } from "../base/clock.ts";
import { type Fields, points, tell } from "../base/events.ts";
import type { PoolSlots } from "../options/pool.ts";

export type Control = "paused" | "store" | "slowDown" | "qps" | "pool" | "maxSuspended";

export interface HoldReason {
  readonly control: Control;
  readonly ms: number;
}

/** Nothing starts while one of them is true. */
export interface Blockers {
  /** In this process. */
  pausedHere: boolean;
  queuePaused: boolean;
  /** What each run needs is away. */
  storeDown: boolean;
  closing: boolean;
}

/** What a consumer knows of itself. */
export interface HoldView {
  readonly blockers: Readonly<Blockers>;
  readonly pool: PoolSlots | undefined;
  readonly maxSuspended: number;
  readonly tally: { readonly ran: number };
  running(): number;
  suspended(): number;
  /** How many deliveries are here, started or not. */
  delivered(): number;
  rateControl(): "slowDown" | "qps" | undefined;
}

const repeatMs = 60_000;
const stillMs = 1_000;

/**
 * Answers what holds; each change of it is an event, and each minute while it lasts.
 * Called at each change of a blocker, and once a second.
 */
export function createHoldReason(where: Fields, view: HoldView): () => HoldReason | undefined {
  const findControl = createFinder(view);
  let control: Control | undefined;
  let since = 0;
  let eventAt = 0;
  return () => {
    const now = clock.monotonic();
    const found = findControl();
    const ms = now - since;
    if (control !== undefined && found === undefined)
      tell(points.held, () => ({ ...where, control: undefined, heldMs: ms }));
    if (found !== control) [control, since, eventAt] = [found, now, Number.NEGATIVE_INFINITY];
    if (control === undefined) return undefined;
    if (now - eventAt >= repeatMs) {
      eventAt = now;
      tell(points.held, () => ({ ...where, control, heldMs: now - since }));
    }
    return { control, ms: now - since };
  };
}

/**
 * A limit holds only while it lets nothing start at all: with something that waits, nothing that runs, and nothing
 * that has run for a second.
 */
function createFinder(view: HoldView): () => Control | undefined {
  const { blockers, pool, maxSuspended, tally, running, suspended, delivered, rateControl } = view;
  let ran = 0;
  let ranAt = clock.monotonic();
  return () => {
    const now = clock.monotonic();
    if (tally.ran !== ran || running() > suspended()) ranAt = now;
    ran = tally.ran;
    if (blockers.closing) return undefined;
    if (blockers.pausedHere || blockers.queuePaused) return "paused";
    if (blockers.storeDown) return "store";
    const byRate = rateControl();
    if (byRate === "slowDown") return byRate;
    if (now - ranAt < stillMs || delivered() <= running()) return undefined;
    if (suspended() >= maxSuspended) return "maxSuspended";
    return pool && pool.used >= pool.size ? "pool" : byRate;
  };
}
