/** A limit of calls at once. */

/** At most `n` calls at once; the others wait in order. */
export function createLimit(n: number): <T>(call: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  const free = () => {
    const next = waiting.shift();
    if (next) next();
    else running--;
  };
  return async (call) => {
    if (running < n) running++;
    else await new Promise<void>((start) => waiting.push(start));
    try {
      return await call();
    } finally {
      free();
    }
  };
}
