/** A published task: its id, its state, its result. */

import { clock, sleep } from "../base/clock.ts";
import { type Duration, durationMs } from "../base/duration.ts";
import { type FinalStatus, FunboostError, isFunboostError, WaitTimeoutError } from "../base/errors.ts";
import type { MessageState, Published } from "../contract/broker.ts";
import type { Store } from "../contract/store.ts";
import { abortSignal, type Checks, checkMembers, duration } from "../options/checks.ts";
import type { Definition } from "../setup/definition.ts";
import { needsStore } from "../setup/features.ts";
import { type Runtime, resolve } from "../setup/open.ts";
import { currentRun } from "../task/context.ts";
import { isOver, kept, type Outcome, resultOf, type TaskRecord, toOutcome, toRecord } from "../task/outcome.ts";
import { cancelTask, stateOf } from "./cancel.ts";
import { followProgress, readProgress } from "./progress.ts";
import { readRow } from "./records.ts";

export interface WaitOptions {
  /** @default the task's `rpc.timeout`, 30 minutes */
  readonly timeout?: Duration;
  /** Ends the wait, never the task. */
  readonly signal?: AbortSignal;
}

const waitChecks: Checks = { timeout: duration, signal: abortSignal };

export function checkWait(options: WaitOptions): void {
  checkMembers({ ...options }, waitChecks);
}

/**
 * What `push` and `publish` answer.
 *
 * @example
 * const handle = await add.push(1, 2);
 * console.log(handle.id, await handle.waitResult({ timeout: "5s" }));
 */
export interface Handle<R = unknown> {
  readonly id: string;
  /** True: a task with this id was there already, nothing was published. */
  readonly existing: boolean;
  /** The task's result. Rejects with TaskError when it failed, was moved to the dead letters, was cancelled or expired; with WaitTimeoutError after `timeout`. Needs `rpc: true` on the task. */
  waitResult(options?: WaitOptions): Promise<R>;
  /** The final record, also of a task that failed. Needs `rpc: true` on the task. */
  waitRecord(options?: WaitOptions): Promise<TaskRecord<R>>;
  /** The final record if there is one already. */
  record(): Promise<TaskRecord<R> | undefined>;
  /** Where the task is now; "unknown" when the engine forgets what has ended. */
  state(): Promise<MessageState | FinalStatus>;
  /** What the task told last by `fct.progress()`, as the type that you name: `progress<Step>()`. Undefined when it told nothing. Kept as long as a result. */
  progress<T = unknown>(): Promise<T | undefined>;
  /** What the task tells from now on, the latest first, until it has ended. Values that come faster than you read are skipped. */
  follow<T = unknown>(options?: { readonly signal?: AbortSignal }): AsyncGenerator<T, void, undefined>;
  /** Takes a waiting or delayed task out of its queue; a running one sees `fct.signal` abort within half a second, and is not retried. False: it has ended, or is unknown. Tries again while connections are lost, for as long as `publishTimeout`. */
  cancel(): Promise<boolean>;
}

// A class, because one is made for each push: methods on the prototype cost nothing.
export class TaskHandle<R> implements Handle<R> {
  readonly id: string;
  readonly existing: boolean;
  readonly #definition: Definition;
  readonly #rpc: boolean | undefined;

  constructor(definition: Definition, published: Published, rpc?: boolean) {
    this.#definition = definition;
    this.id = published.id;
    this.existing = published.existing ?? false;
    this.#rpc = rpc;
  }

  async waitResult(options?: WaitOptions): Promise<R> {
    const runtime = await this.#resolved();
    return resultOf(await this.#wait(runtime, options, false), runtime.options.errors);
  }

  async waitRecord(options?: WaitOptions): Promise<TaskRecord<R>> {
    const runtime = await this.#resolved();
    return toRecord(await this.#wait(runtime, options, true), runtime.options.errors);
  }

  async record(): Promise<TaskRecord<R> | undefined> {
    const runtime = await this.#resolved();
    const outcome = (await kept(runtime, this.id, true)) ?? (await readRow(runtime, this.id));
    return outcome && toRecord(outcome, runtime.options.errors);
  }

  async state(): Promise<MessageState | FinalStatus> {
    const runtime = await this.#resolved();
    return (await stateOf(runtime, this.id)) ?? "unknown";
  }

  async progress<T = unknown>(): Promise<T | undefined> {
    return (await readProgress(await this.#resolved(), this.id)) as T | undefined;
  }

  async *follow<T = unknown>(options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<T, void, undefined> {
    checkMembers({ ...options }, { signal: abortSignal });
    const { signal } = options;
    const runtime = await this.#resolved();
    yield* followProgress(
      runtime,
      this.id,
      async () => isOver(await stateOf(runtime, this.id)),
      signal,
    ) as AsyncGenerator<T, void, undefined>;
  }

  async cancel(): Promise<boolean> {
    return cancelTask(await this.#resolved(), this.id);
  }

  #resolved(): Promise<Runtime> | Runtime {
    return this.#definition.runtime ?? resolve(this.#definition);
  }

  async #wait(runtime: Runtime, options: WaitOptions = {}, facts: boolean): Promise<Outcome> {
    const { rpc, queue } = runtime.options;
    checkWait(options);
    if (!(this.#rpc ?? rpc)) {
      throw new FunboostError(
        "NO_RESULT",
        `keeps no results. Set "rpc: true" on the task, or { rpc: true } at this publish.`,
        { where: queue },
      );
    }
    const timeoutMs =
      options.timeout === undefined ? (rpc?.timeoutMs ?? 1_800_000) : durationMs(options.timeout, "timeout");
    return suspended(awaitOutcome(runtime, this.id, facts, timeoutMs, waitSignal(options)));
  }
}

/** A wait ends with its caller's signal, and with the run that it is made in. */
export function waitSignal({ signal }: WaitOptions): AbortSignal | undefined {
  const ofRun = currentRun()?.controller.signal;
  return signal && ofRun ? AbortSignal.any([signal, ofRun]) : (signal ?? ofRun);
}

/** How it will have ended. */
async function ending(
  { queue, store, scope, options, brokerName }: Runtime,
  id: string,
  facts: boolean,
  signal: AbortSignal,
): Promise<Outcome> {
  if (!queue.result) {
    if (!store) throw needsStore(brokerName, "rpc"); // a publisher's: a task is refused earlier
    return JSON.parse(await waitThroughTrouble(store, scope, id, signal)) as Outcome;
  }
  const ended = await queue.result(id, { signal, facts });
  if (ended) return toOutcome(id, options.queue, ended);
  throw new FunboostError("NO_RESULT", `task ${id} is not known, or its result is no longer kept.`, {
    where: options.queue,
  });
}

const waitAgainMs = 500;

/** A wait ends with its outcome or its signal, not with an outage. */
async function waitThroughTrouble(store: Store, scope: string, id: string, signal: AbortSignal): Promise<string> {
  for (;;) {
    try {
      return await store.results.wait(scope, id, signal);
    } catch (error) {
      const over = signal.aborted || (isFunboostError(error) && error.code !== "BROKER_DOWN");
      if (over) throw error;
      await sleep(waitAgainMs, { signal });
    }
  }
}

async function awaitOutcome(
  runtime: Runtime,
  id: string,
  facts: boolean,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const { queue } = runtime.options;
  signal?.throwIfAborted();
  const late = new AbortController();
  // any() instead of a listener on the caller's signal: hundreds of waits may share one.
  const stop = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
  // Not unref'd: the process stays for as long as somebody waits.
  const cancel = clock.after(timeoutMs, () =>
    late.abort(
      new WaitTimeoutError(
        `Task ${id} has not ended within ${timeoutMs} ms; it goes on. Is a worker consuming "${queue}"?`,
        queue,
      ),
    ),
  );
  try {
    return await ending(runtime, id, facts, stop);
  } catch (error) {
    throw stop.aborted ? stop.reason : error;
  } finally {
    cancel();
  }
}

/** Gives the running task's slot back for as long as `work` takes. */
export async function suspended<T>(work: Promise<T>): Promise<T> {
  const resume = currentRun()?.suspend();
  try {
    return await work;
  } finally {
    await resume?.();
  }
}
