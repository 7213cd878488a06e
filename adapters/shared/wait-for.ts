/** Waits for one outcome, which ends with its signal; by key inside one process, where several may wait for one. */

export type Settle = (outcome: string | Error) => void;

/** Ends with what it is settled with first. `begin` keeps `settle`, and answers what forgets it again: called once. */
export function waitOnce(signal: AbortSignal, begin: (settle: Settle) => () => void): Promise<string> {
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    let forget = () => {};
    const end = (finish: () => void) => {
      signal.removeEventListener("abort", abort);
      forget();
      forget = () => {};
      finish();
    };
    const abort = () => end(() => reject(signal.reason)); // which may be a text
    forget = begin((outcome) => end(() => (typeof outcome === "string" ? resolve(outcome) : reject(outcome))));
    signal.addEventListener("abort", abort, { once: true });
  });
}

/** With what the key's waiters are settled with; an abort ends this wait only. */
export function waitFor(waits: Map<string, Set<Settle>>, key: string, signal: AbortSignal): Promise<string> {
  return waitOnce(signal, (settle) => {
    const there = waits.get(key) ?? new Set();
    waits.set(key, there.add(settle));
    return () => {
      there.delete(settle);
      if (there.size === 0) waits.delete(key);
    };
  });
}
