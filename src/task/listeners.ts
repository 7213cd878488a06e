/** task.on(): who hears in this process what becomes of a task's runs. */
import { toError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { TaskRecord } from "./outcome.ts";

/** What each listener of a task is given. */
export interface TaskEvents<R = unknown> {
  /** It ended well; `status` is "done", or "filtered" where an equal one had run. */
  done: TaskRecord<R>;
  /** It ended otherwise; `status` says how. */
  failed: TaskRecord<R>;
  /** It failed, and runs again in `delayMs`. */
  retry: { readonly id: string; readonly attempt: number; readonly error: Error; readonly delayMs: number };
  /** A run said how far it is, by `fct.progress(value)`. */
  progress: { readonly id: string; readonly value: unknown };
}

export const taskEvents = ["done", "failed", "retry", "progress"] as const satisfies readonly (keyof TaskEvents)[];

export type TaskListener<E extends keyof TaskEvents, R = unknown> = (told: TaskEvents<R>[E]) => unknown;

export interface Listeners {
  /** Answers what takes it away again. */
  add<E extends keyof TaskEvents>(event: E, listener: TaskListener<E>): () => void;
  has(event: keyof TaskEvents): boolean;
  /** What one of them throws is logged, and touches nothing. */
  tell<E extends keyof TaskEvents>(event: E, told: TaskEvents[E], log: Logger): void;
}

export function createListeners(): Listeners {
  const all: { [E in keyof TaskEvents]: Set<TaskListener<E>> } = {
    done: new Set(),
    failed: new Set(),
    retry: new Set(),
    progress: new Set(),
  };
  return {
    add(event, listener) {
      const own: typeof listener = (told) => listener(told); // the same one may be added twice
      all[event].add(own);
      return () => void all[event].delete(own);
    },
    has: (event) => all[event].size > 0,
    tell(event, told, log) {
      const say = (error: unknown) => log.warn({ event, error: toError(error) }, "a listener of the task threw");
      for (const listener of [...all[event]]) callSafely(() => listener(told), say);
    },
  };
}

function callSafely(call: () => unknown, onError: (error: unknown) => void): void {
  try {
    Promise.resolve(call()).catch(onError);
  } catch (error) {
    onError(error);
  }
}
