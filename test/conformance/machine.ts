/** The machine's part in what is measured: a clock that all its processes share, and the times at which it kept a process from running. */

/** Goes on while a process is stopped. */
export const machineMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** A process did not run for `ms`, until `at`. */
export interface Stall {
  readonly at: number;
  readonly ms: number;
}

export const tickMs = 5;

/** Hears of the stalls of this process for as long as it lives. */
export function watchStalls(hear: (stall: Stall) => void): void {
  let last = machineMs();
  setInterval(() => {
    const at = machineMs();
    const ms = at - last - tickMs;
    last = at;
    if (ms > tickMs) hear({ at, ms });
  }, tickMs).unref();
}

/** Begins now, and is read once: for how long this process was let run, which on an idle machine is all the time. For what must be quick. */
export function stopwatch(): () => number {
  let ranMs = 0;
  let last = machineMs();
  const tick = () => {
    const at = machineMs();
    ranMs += Math.min(at - last, 2 * tickMs);
    last = at;
  };
  const timer = setInterval(tick, tickMs).unref();
  return () => {
    clearInterval(timer);
    tick();
    return ranMs;
  };
}

/** How much of this time stalls took away. */
export function stalledIn(stalls: readonly Stall[], from: number, to: number): number {
  return stalls.reduce((sum, { at, ms }) => sum + Math.max(0, Math.min(at, to) - Math.max(at - ms, from)), 0);
}
