/** Which control keeps a consumer from starting anything, and since when. */
import { clock } from "../base/clock.ts";
import { type Fields, points, tell } from "../base/events.ts";
import type { PoolSlots } from "../options/pool.ts";

export type Control = "paused" | "store" | "slowDown" | "qps" | "pool" | "maxSuspended";

export interface HoldReason {
  readonly control: Control;
  readonly ms: number;
}

/** Switches that keep a consumer from starting runs. */
export interface Flags {
  here: boolean;
  queue: boolean;
  /** What it needs for each run is away. */
  store: boolean;
  closing: boolean;
}

/** What a consumer knows of itself. */
export interface HoldView {
  readonly flags: Readonly<Flags>;
  readonly pool: PoolSlots | undefined;
  readonly maxSuspended: number;
  readonly tally: { readonly ran: number };
  running(): number;
  suspended(): number;
  /** Deliveries here, started or not. */
  held(): number;
  /** How fast it may start. */
  pace(): "slowDown" | "qps" | undefined;
}

const againMs = 60_000;
const stillMs = 1_000;

/** Answers what holds; each change of it is an event, and each minute while it lasts. Called at each change of a flag, and once a second. */
export function createHoldReason(where: Fields, view: HoldView): () => HoldReason | undefined {
  const look = createLook(view);
  let control: Control | undefined;
  let since = 0;
  let toldAt = 0;
  return () => {
    const now = clock.monotonic();
    const found = look();
    const ms = now - since;
    if (control !== undefined && found === undefined)
      tell(points.held, () => ({ ...where, control: undefined, heldMs: ms }));
    if (found !== control) [control, since, toldAt] = [found, now, Number.NEGATIVE_INFINITY];
    if (control === undefined) return undefined;
    if (now - toldAt >= againMs) {
      toldAt = now;
      tell(points.held, () => ({ ...where, control, heldMs: now - since }));
    }
    return { control, ms: now - since };
  };
}

/** A limit holds only while it lets nothing start at all: with something that waits, nothing that runs, and nothing that has run for a second. */
function createLook({
  flags,
  pool,
  maxSuspended,
  tally,
  running,
  suspended,
  held,
  pace,
}: HoldView): () => Control | undefined {
  let ran = 0;
  let ranAt = clock.monotonic();
  return () => {
    const now = clock.monotonic();
    if (tally.ran !== ran || running() > suspended()) ranAt = now;
    ran = tally.ran;
    if (flags.closing) return undefined;
    if (flags.here || flags.queue) return "paused";
    if (flags.store) return "store";
    const paced = pace();
    if (paced === "slowDown") return paced;
    if (now - ranAt < stillMs || held() <= running()) return undefined;
    if (suspended() >= maxSuspended) return "maxSuspended";
    return pool && pool.used >= pool.size ? "pool" : paced;
  };
}
