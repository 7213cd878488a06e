/** What `push` and `publish` answer. */
import type { Duration } from "../base/duration.ts";
import type { FinalStatus, MessageState } from "../contract/broker.ts";
import type { LostRecord, TaskRecord } from "./outcome.ts";

export interface WaitOptions {
  /** @default the task's `rpc.timeout`, 30 minutes */
  readonly timeout?: Duration;
  /** Ends the wait, never the task. */
  readonly signal?: AbortSignal;
  /**
   * "wait": also for an id that nobody knows yet, because it is published later. Without it such a wait rejects with
   * code UNKNOWN_TASK after two looks a second apart, where the engine can tell.
   */
  readonly unknown?: "wait";
}

/**
 * What `push` and `publish` answer.
 *
 * @example
 * const handle = await add.push(1, 2);
 * console.log(handle.id, await handle.waitResult({ timeout: "5s" }));
 */
export interface Handle<R = unknown, Args extends readonly unknown[] = readonly unknown[]> {
  readonly id: string;
  /** True: a task with this id was there already, nothing was published. */
  readonly existing: boolean;
  /**
   * The task's result. Rejects with TaskError when it failed, was moved to the dead letters, was cancelled, cleared or
   * expired; with WaitTimeoutError after `timeout`; with code NO_RESULT when it is over and its result is not kept,
   * with UNKNOWN_TASK when nobody knows it. Needs `rpc: true` on the task.
   */
  waitResult(options?: WaitOptions): Promise<R>;
  /** The final record, also of a task that failed. Needs `rpc: true` on the task. */
  waitRecord(options?: WaitOptions): Promise<TaskRecord<R>>;
  /**
   * The final record if there is one already; with `record: { running: true }` also that of a task whose process died
   * while it ran it, with status "lost", until it runs again.
   */
  record(): Promise<TaskRecord<R> | LostRecord | undefined>;
  /** Where the task is now; "unknown" when the engine forgets what has ended. */
  state(): Promise<MessageState | FinalStatus>;
  /**
   * What the task told last by `fct.progress()`, as the type that you name: `progress<Step>()`. Undefined when it told
   * nothing. Kept as long as a result.
   */
  progress<T = unknown>(): Promise<T | undefined>;
  /**
   * What the task tells from now on, the latest first, until it has ended. Values that come faster than you read are
   * skipped.
   */
  follow<T = unknown>(options?: { readonly signal?: AbortSignal }): AsyncGenerator<T, void, undefined>;
  /**
   * Takes a waiting or delayed task out of its queue; a running one sees `fct.signal` abort within half a second, and
   * is not retried. False: it has ended, or is unknown. Tries again while connections are lost, for as long as
   * `publishTimeout`.
   */
  cancel(): Promise<boolean>;
  /**
   * Gives a waiting or delayed task other arguments; the options that it was published with stay. False: it runs, is
   * over, or is unknown. Temporal cannot.
   */
  update(args: Args): Promise<boolean>;
  /**
   * Runs a waiting or delayed task so much from now, 0 is at once; `expireAfter` counts from then. False as above.
   * Temporal cannot.
   */
  reschedule(change: { readonly delay: Duration }): Promise<boolean>;
}
