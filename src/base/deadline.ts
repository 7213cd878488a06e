/** A limit on every call to a server: none may hang its caller for ever. */
import { clock } from "./clock.ts";
import { FunboostError } from "./errors.ts";

/**
 * A process that stood still finds the answer beside its deadline, and reads it first: what was done counts as done.
 */
const readMs = 100;

/**
 * Rejects with BROKER_DOWN when `work` takes longer than `ms`. The timer keeps the process alive while the call is
 * under way.
 */
export function deadline<T>(work: Promise<T>, ms: number, what: string, where: string, address?: string): Promise<T> {
  const server = address === undefined ? "the server" : `the server at ${address}`;
  return new Promise((resolve, reject) => {
    const cancel = whenLate(ms, () => reject(lateError(what, ms, server, where)));
    Promise.resolve(work).then(resolve, reject).finally(cancel); // a broker in plain JavaScript may answer at once
  });
}

/** Runs `run` after `ms` without an answer; answers a function that cancels it. */
export function whenLate(ms: number, run: () => void): () => void {
  let cancel = clock.after(ms, () => (cancel = clock.after(readMs, run)));
  return () => cancel();
}

export function lateError(what: string, ms: number, server: string, where: string): FunboostError {
  return new FunboostError("BROKER_DOWN", `${what} was not answered within ${ms} ms. Is ${server} up and reachable?`, {
    where,
  });
}

type Call = (...args: never[]) => Promise<unknown>;

/** The same object, with each of the named calls that it has wrapped; what a call itself has, it keeps. */
export function wrapCalls<T extends object>(
  target: T,
  names: readonly (keyof T & string)[],
  wrap: (work: () => Promise<unknown>, name: string) => Promise<unknown>,
): T {
  const copy: Record<string, unknown> = { ...(target as Record<string, unknown>) };
  for (const name of names) {
    const call = target[name] as Call | undefined;
    if (call) copy[name] = Object.assign((...args: never[]) => wrap(() => call.apply(target, args), name), call);
  }
  return copy as T;
}

/** What comes after its deadline is undone: nobody else would. */
export function undoIfLate<T>(asked: Promise<T>, coming: Promise<T>, undo: (late: T) => unknown): Promise<T> {
  return asked.catch((error: unknown) => {
    coming.then(undo).catch(() => {});
    throw error;
  });
}
