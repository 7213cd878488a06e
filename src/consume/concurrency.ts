/**
 * How many runs at once: what the code says, what one process sets for itself, and what is set for all while tasks
 * run.
 */

export interface Concurrency {
  /** For this process. */
  setOwn(n: number): void;
  /** For all; undefined: taken back. Answers what is in force here. */
  setLive(n: number | undefined): number;
}

/**
 * What is set for all beats the code. What a process sets for itself beats the code too; where both are set the
 * smaller one holds.
 */
export function createConcurrency(code: number, setLimit: (n: number) => void): Concurrency {
  let own: number | undefined;
  let live: number | undefined;
  const apply = () => {
    const n = own === undefined || live === undefined ? (own ?? live ?? code) : Math.min(own, live);
    setLimit(n);
    return n;
  };
  return {
    setOwn(n) {
      own = n;
      apply();
    },
    setLive(n) {
      live = n;
      return apply();
    },
  };
}
