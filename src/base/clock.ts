/**
 * The one source of time and timers. Tests inject their own with `setClock`.
 *
 * The system's timers are taken when this file is read: fake ones that a test of a user's installs later stop neither a
 * push nor `shutdown()`.
 */

export interface Clock {
  /** Epoch milliseconds; may jump. For what is written into messages and nothing else. */
  now(): number;
  /** Milliseconds that only grow. For every wait and every rate. */
  monotonic(): number;
  /** Keeps the process alive unless `unref` is true. Answers a function that cancels it. */
  after(ms: number, run: () => void, options?: { readonly unref?: boolean }): () => void;
}

const { setTimeout, clearTimeout } = globalThis;
/** Types of our own: those of Node are no part of what users compile. */
type Defer = <Args extends readonly unknown[]>(run: (...args: Args) => void, ...args: Args) => unknown;
export const setImmediate = globalThis.setImmediate as Defer;
export const queueMicrotask: (run: () => void) => void = globalThis.queueMicrotask;
export const setInterval: (run: () => void, ms: number) => unknown = globalThis.setInterval;
export const clearInterval = globalThis.clearInterval as (timer: unknown) => void;

const longest = 2 ** 31 - 1;

const systemClock: Clock = {
  now: Date.now,
  monotonic: performance.now.bind(performance),
  after(ms, run, options) {
    // A longer time would fire at once: wait in steps.
    const timer =
      ms > longest
        ? setTimeout(() => (cancel = systemClock.after(ms - longest, run, options)), longest)
        : setTimeout(run, Math.max(0, ms));
    let cancel = () => clearTimeout(timer);
    if (options?.unref) timer.unref();
    return () => cancel();
  },
};

let current: Clock = systemClock;

export const clock: Clock = {
  now: () => current.now(),
  monotonic: () => current.monotonic(),
  after: (ms, run, options) => current.after(ms, run, options),
};

/** Replaces the clock (tests); without an argument the system's own comes back. */
export function setClock(replacement: Clock = systemClock): void {
  current = replacement;
}

export interface SleepOptions {
  readonly signal?: AbortSignal | undefined;
  readonly unref?: boolean;
}

/** Resolves after `ms`, or at once when the signal aborts: whoever aborts looks at the signal. */
export function sleep(ms: number, { signal, unref = false }: SleepOptions = {}): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.after(ms, done, { unref });
    signal?.addEventListener("abort", done, { once: true });
  });
}

/** `ms` and up to a quarter more, so that processes do not poll in step. */
export function withJitter(ms: number): number {
  return ms * (1 + Math.random() / 4);
}

/**
 * Runs `work` again and again, `ms` and its jitter after it has ended; errors go to `onError`. Answers a function that
 * stops it and resolves when it is idle.
 */
export function repeat(ms: number, work: () => Promise<void>, onError: (error: unknown) => void): () => Promise<void> {
  let stopped = false;
  let running: Promise<void> = Promise.resolve();
  let cancel = () => {};
  const arm = () => {
    cancel = clock.after(
      withJitter(ms),
      () =>
        (running = work()
          .catch(onError)
          .then(() => (stopped ? undefined : arm()))),
      { unref: true },
    );
  };
  arm();
  return () => {
    stopped = true;
    cancel();
    return running;
  };
}

/** Calls `run` at the soonest of the times that it is asked for, once. Keeps no process alive. */
export function createAlarm(run: () => void): (ms: number) => void {
  let setFor = Number.POSITIVE_INFINITY;
  let unset = () => {};
  return (ms) => {
    const at = clock.monotonic() + ms;
    if (at >= setFor - 1) return; // setting it again for less than a millisecond is not worth it
    unset();
    setFor = at;
    const ring = () => {
      setFor = Number.POSITIVE_INFINITY;
      run();
    };
    unset = clock.after(ms, ring, { unref: true });
  };
}

/** True when `work` has ended in time. Keeps the process alive meanwhile unless `unref` is true. */
export async function within(
  work: Promise<unknown>,
  ms: number,
  { unref = false }: { readonly unref?: boolean } = {},
): Promise<boolean> {
  const stop = new AbortController();
  try {
    return await Promise.race([work.then(() => true), sleep(ms, { signal: stop.signal, unref }).then(() => false)]);
  } finally {
    stop.abort();
  }
}
