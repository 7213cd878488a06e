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

export const waitKey = (queue: string, id: string): string => `${queue.length}:${queue}${id}`;

/** By key. Most keys have one that waits: a set for each would be a tenth of what a wait takes. */
export type WaitMap = Map<string, Settle | Set<Settle>>;

/** With what the key's waiters are settled with; an abort ends this wait only. */
export function waitFor(waits: WaitMap, key: string, signal: AbortSignal): Promise<string> {
  return waitOnce(signal, (settle) => hear(waits, key, settle));
}

/** What is answered ends it: called at the latest when it is settled. */
export function hear(waits: WaitMap, key: string, settle: Settle): () => void {
  const there = waits.get(key);
  if (there === undefined) waits.set(key, settle);
  else if (there instanceof Set) there.add(settle);
  else waits.set(key, new Set([there, settle]));
  return () => {
    const left = waits.get(key);
    if (left === settle) waits.delete(key);
    else if (left instanceof Set && left.delete(settle) && left.size === 0) waits.delete(key);
  };
}

export function answer(waits: WaitMap, key: string, outcome: string | Error): void {
  const there = waits.get(key);
  if (there instanceof Set) for (const settle of [...there]) settle(outcome);
  else there?.(outcome);
}
