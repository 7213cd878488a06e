/** Waiting for several tasks at once. */
import { FunboostError } from "../base/errors.ts";
import { outsideRuns, suspendFor, waitSignal } from "../task/context.ts";
import type { Handle, WaitOptions } from "../task/handle.ts";
import { checkWait } from "./wait-outcome.ts";

type Results<Handles extends readonly Handle[]> = {
  -readonly [I in keyof Handles]: Handles[I] extends Handle<infer R> ? R : never;
};

type WaitAllOptions = WaitOptions & { readonly onFailure?: "leave" | "cancel" };

/**
 * All results, in order, each of its own type; one wait for the slots of a running task. Rejects at the first failure;
 * `onFailure: "cancel"` then cancels the others, but not when `signal` has ended the wait.
 *
 * @example
 * const sizes = await waitAll(await resize.pushMany([["a.png", 64], ["a.png", 256]]));
 */
export function waitAll<const Handles extends readonly Handle[]>(
  handles: Handles,
  options?: WaitAllOptions,
): Promise<Results<Handles>>;
/** With the type named: `waitAll<string>(handles)`. */
export function waitAll<R>(handles: readonly Handle<R>[], options?: WaitAllOptions): Promise<R[]>;
export async function waitAll(handles: readonly Handle[], options: WaitAllOptions = {}): Promise<unknown[]> {
  const { onFailure = "leave", ...wait } = options;
  if (onFailure !== "leave" && onFailure !== "cancel")
    throw new FunboostError("BAD_OPTION", `onFailure must be "leave" or "cancel", got ${JSON.stringify(onFailure)}.`);
  checkWait(wait);
  const stop = new AbortController();
  const own = waitSignal(wait);
  const signal = own ? AbortSignal.any([own, stop.signal]) : stop.signal;
  try {
    const results = handles.map((handle) => waitOutside(handle, { ...wait, signal }));
    return await suspendFor(Promise.all(results));
  } catch (error) {
    stop.abort(error); // the other waits end with this one
    if (onFailure === "cancel" && !own?.aborted) await Promise.allSettled(handles.map((handle) => handle.cancel()));
    throw error;
  }
}

/** How one of them ended. */
export type Completed<R> =
  | { readonly handle: Handle<R>; readonly value: R }
  | { readonly handle: Handle<R>; readonly error: Error };

type CompletedOf<H> = H extends Handle<infer R> ? Completed<R> : never;

/**
 * Each handle as it ends, well or not.
 *
 * @example
 * for await (const done of asCompleted(handles))
 *   console.log(done.handle.id, "error" in done ? done.error.message : done.value);
 */
export function asCompleted<H extends Handle>(
  handles: readonly H[],
  options?: WaitOptions,
): AsyncGenerator<CompletedOf<H>>;
/** With the type named: `asCompleted<string>(handles)`. */
export function asCompleted<R>(handles: readonly Handle<R>[], options?: WaitOptions): AsyncGenerator<Completed<R>>;
export async function* asCompleted(
  handles: readonly Handle[],
  options: WaitOptions = {},
): AsyncGenerator<Completed<unknown>> {
  checkWait(options);
  const ended: Completed<unknown>[] = [];
  const stop = new AbortController();
  const own = waitSignal(options);
  const signal = own ? AbortSignal.any([own, stop.signal]) : stop.signal;
  let wake = () => {};
  for (const handle of handles) {
    void waitOutside(handle, { ...options, signal })
      .then(
        (value): Completed<unknown> => ({ handle, value }),
        (error: Error): Completed<unknown> => ({ handle, error }),
      )
      .then((done) => {
        ended.push(done);
        wake();
      });
  }
  try {
    for (let given = 0; given < handles.length; given++) {
      if (ended.length <= given) await suspendFor(new Promise<void>((resolve) => (wake = resolve)));
      yield ended[given] as Completed<unknown>;
    }
  } finally {
    stop.abort(); // left early: no wait may hold the process
  }
}

/** Waits without giving back the running task's slot: whoever collects several waits does that once for all. */
function waitOutside<R>(handle: Handle<R>, options: WaitOptions): Promise<R> {
  return outsideRuns(() => handle.waitResult(options));
}
