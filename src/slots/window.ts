/** How many deliveries an adapter may hold, told to it at most once a tick. */

import { setImmediate } from "../base/clock.ts";
import type { PoolSlots } from "../options/pool.ts";
import type { Rate } from "./rate.ts";

export interface WindowState {
  /** "children": only what suspended runs wait for may start, so that a stopping process can finish them. */
  mode: "open" | "children" | "closed";
  limit: number;
  running: number;
  suspended: number;
  readonly trials: { readonly turn: "others" | "drain" | "trial"; readonly waiting: readonly unknown[] };
  readonly waiting: readonly unknown[];
  readonly maxSuspended: number;
  readonly lookahead: number;
  readonly pool: PoolSlots | undefined;
  rate: Rate | undefined;
  readonly setWindow: (n: number) => void;
  sentWindow: number;
  sendingWindow: boolean;
}

/** What the adapter may hold: all that runs or is suspended, suspects, and a little that waits here. */
function wantedWindow({
  mode,
  trials,
  limit: own,
  running,
  suspended,
  maxSuspended,
  waiting,
  lookahead,
  pool,
  rate,
}: WindowState): number {
  // One at least, to wait in the pool's line.
  const limit = pool ? Math.min(own, running + Math.max(1, pool.size - pool.used)) : own;
  if (mode === "closed") return 0;
  const held = suspended + trials.waiting.length;
  if (trials.turn !== "others") return held + running;
  const blocked = Math.min(waiting.length, limit);
  if (mode === "children") return held + limit + blocked;
  const all = held + limit + lookahead + (suspended >= maxSuspended ? blocked : 0);
  return rate ? Math.min(all, held + running + rate.ahead()) : all;
}

/** Once a tick; at once where something is returned, or the adapter would hand it out again before it hears. */
export function updateWindow(state: WindowState, atOnce = false): void {
  if (atOnce) return sendWindow(state);
  if (state.sendingWindow || wantedWindow(state) === state.sentWindow) return;
  state.sendingWindow = true;
  setImmediate(() => {
    state.sendingWindow = false;
    sendWindow(state);
  });
}

function sendWindow(state: WindowState): void {
  const n = wantedWindow(state);
  if (n === state.sentWindow || isJitter(state, n)) return;
  state.sentWindow = n;
  state.setWindow(n);
}

/** A rate makes the window breathe with each start; engines pay for each change. */
function isJitter({ rate, sentWindow, suspended, running }: WindowState, n: number): boolean {
  return n > 64 && rate !== undefined && sentWindow > suspended + running && Math.abs(n - sentWindow) < n / 8;
}
