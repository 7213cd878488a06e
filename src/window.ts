/** How many deliveries an adapter may hold, told to it at most once a tick. */
import type { Rate } from "./controls/rate.ts";

export interface WindowState {
  open: boolean;
  limit: number;
  running: number;
  suspended: number;
  readonly alone: object | undefined;
  readonly waiting: readonly unknown[];
  readonly maxSuspended: number;
  readonly lookahead: number;
  readonly rate: Rate | undefined;
  readonly setWindow: (n: number) => void;
  sentWindow: number;
  sendingWindow: boolean;
}

/** What the adapter may hold: all that runs or is suspended, and a little that waits here. */
function wantedWindow({ open, alone, limit, running, suspended, maxSuspended, waiting, lookahead, rate }: WindowState): number {
  if (!open) return 0;
  if (alone) return suspended + 1;
  const blocked = suspended >= maxSuspended ? Math.min(waiting.length, limit) : 0;
  const all = suspended + limit + lookahead + blocked;
  return rate ? Math.min(all, suspended + running + rate.ahead()) : all;
}

export function updateWindow(state: WindowState): void {
  if (state.sendingWindow || wantedWindow(state) === state.sentWindow) return;
  state.sendingWindow = true;
  setImmediate(() => {
    state.sendingWindow = false;
    const n = wantedWindow(state);
    if (n === state.sentWindow || isJitter(state, n)) return;
    state.sentWindow = n;
    state.setWindow(n);
  });
}

/** A rate makes the window breathe with each start; engines pay for each change. */
function isJitter({ rate, sentWindow, suspended, running }: WindowState, n: number): boolean {
  return rate !== undefined && n > 64 && sentWindow > suspended + running && Math.abs(n - sentWindow) < n / 8;
}
