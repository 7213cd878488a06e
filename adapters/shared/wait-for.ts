/** Waits for a result inside one process, by key; several may wait for one. */

export type Settle = (outcome: string | Error) => void;

/** Resolves or rejects with what the key's waiters are settled with; an abort ends this wait only. */
export function waitFor(waits: Map<string, Set<Settle>>, key: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const there = waits.get(key) ?? new Set();
    const forget = () => {
      signal.removeEventListener("abort", abort);
      there.delete(settle);
      if (there.size === 0) waits.delete(key);
    };
    const settle: Settle = (outcome) => {
      forget();
      if (typeof outcome === "string") resolve(outcome);
      else reject(outcome);
    };
    const abort = () => {
      forget();
      reject(signal.reason); // which may be a text
    };
    waits.set(key, there.add(settle));
    signal.addEventListener("abort", abort, { once: true });
  });
}
