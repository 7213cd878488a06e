/** Waits that end with their caller's signal: one listener on it, as hundreds may share one. */

export interface Abortable {
  aborted(reason: unknown): void;
}

interface Shared {
  readonly waits: Set<Abortable>;
  readonly listen: () => void;
}

const shared = new WeakMap<AbortSignal, Shared>();

export function addAbortable(signal: AbortSignal, wait: Abortable): void {
  const known = shared.get(signal) ?? share(signal);
  known.waits.add(wait);
}

function share(signal: AbortSignal): Shared {
  const waits = new Set<Abortable>();
  const listen = () => {
    shared.delete(signal);
    for (const wait of waits) wait.aborted(signal.reason);
  };
  const made = { waits, listen };
  shared.set(signal, made);
  signal.addEventListener("abort", listen, { once: true });
  return made;
}

export function deleteAbortable(signal: AbortSignal, wait: Abortable): void {
  const known = shared.get(signal);
  if (!known?.waits.delete(wait) || known.waits.size > 0) return;
  shared.delete(signal);
  signal.removeEventListener("abort", known.listen);
}
