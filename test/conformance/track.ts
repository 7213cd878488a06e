/** What the tasks of a case did, as the case saw it. */

export interface Track<T> {
  /** Every start, in order. */
  readonly started: T[];
  readonly ended: T[];
  /** Running now, and the most at once. */
  readonly running: number;
  readonly peak: number;
  /** Wraps the work of one run. */
  run<R>(value: T, work?: () => Promise<R> | R): Promise<R>;
  /** Forgets the peak. */
  reset(): void;
}

export function track<T>(): Track<T> {
  const started: T[] = [];
  const ended: T[] = [];
  let running = 0;
  let peak = 0;
  return {
    started,
    ended,
    get running() {
      return running;
    },
    get peak() {
      return peak;
    },
    async run(value, work) {
      started.push(value);
      peak = Math.max(peak, ++running);
      try {
        return (await work?.()) as never;
      } finally {
        running--;
        ended.push(value);
      }
    },
    reset() {
      peak = running;
    },
  };
}

/** 0, 1, ... n - 1. */
export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** One list of arguments for each number below n. */
export const each = (n: number): [number][] => range(n).map((i) => [i]);

/** Values that occur more than once. */
export const doubles = <T>(values: readonly T[]): T[] => values.filter((value, i) => values.indexOf(value) !== i);

export const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
