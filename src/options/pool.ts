/** concurrencyPool(): one number of runs at once for several tasks of a process. */
import { describe, FunboostError } from "../base/errors.ts";

/** Give the same pool to each task: `boost({ queue, pool }, fn)`. */
export interface ConcurrencyPool {
  readonly size: number;
  /** Runs that hold a place now. */
  readonly used: number;
}

/** What consumers do with it. */
export interface PoolSlots extends ConcurrencyPool {
  take(): void;
  free(): void;
  /** `goOn` is called once, when a place may be free: those that wait longest first. */
  wait(goOn: () => void): void;
}

const most = 100_000;
const pools = new WeakSet<object>();

/**
 * Makes a pool of `size` places, 1 to 100,000. A run takes one beside its task's own `concurrency`, and gives it back
 * while it waits for another task.
 *
 * @example
 * const pool = concurrencyPool(10);
 * const resize = boost({ queue: "resize", pool }, resizeImage);
 * const render = boost({ queue: "render", pool }, renderPage);
 */
export function concurrencyPool(size: number): ConcurrencyPool {
  if (!Number.isInteger(size) || size < 1 || size > most)
    throw new FunboostError(
      "BAD_OPTION",
      `concurrencyPool() takes a whole number from 1 to ${most}, got ${describe(size)}.`,
    );
  const waiting = new Set<() => void>();
  let used = 0;
  const pool: PoolSlots = {
    size,
    get used() {
      return used;
    },
    take() {
      used++;
    },
    free() {
      used--;
      for (const goOn of [...waiting]) {
        if (used >= size) return;
        waiting.delete(goOn);
        goOn();
      }
    },
    wait(goOn) {
      waiting.add(goOn);
    },
  };
  pools.add(pool);
  return pool;
}

export function isPool(value: unknown): boolean {
  return typeof value === "object" && value !== null && pools.has(value);
}
