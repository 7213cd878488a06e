/** A published task: its id, its state, its result. */

import { clock, sleep } from "../base/clock.ts";
import { durationMs } from "../base/duration.ts";
import { FunboostError, isFunboostError, needsStore, WaitTimeoutError } from "../base/errors.ts";
import { isOver } from "../base/task-state.ts";
import type { FinalStatus, MessageState, Published } from "../contract/broker.ts";
import type { Store } from "../contract/store.ts";
import { abortSignal, type Checks, checkMembers, duration } from "../options/checks.ts";
import type { Definition, OpenTask } from "../setup/model.ts";
import { openTask } from "../setup/open.ts";
import { suspendFor, waitSignal } from "../task/context.ts";
import type { Handle, WaitOptions } from "../task/handle.ts";
import { type Outcome, resultOf, type TaskRecord, toOutcome, toRecord } from "../task/outcome.ts";
import { cancelTask, stateOf } from "./cancel.ts";
import { followProgress, readProgress } from "./progress.ts";
import { readRow } from "./query-records.ts";
import { readOutcome } from "./read.ts";

const waitChecks: Checks = { timeout: duration, signal: abortSignal };

export function checkWait(options: WaitOptions): void {
  checkMembers({ ...options }, waitChecks);
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
    const task = await this.#resolved();
    return resultOf(await this.#wait(task, options, false), task.options.errors);
  }

  async waitRecord(options?: WaitOptions): Promise<TaskRecord<R>> {
    const task = await this.#resolved();
    return toRecord(await this.#wait(task, options, true), task.options.errors);
  }

  async record(): Promise<TaskRecord<R> | undefined> {
    const task = await this.#resolved();
    const outcome = (await readOutcome(task, this.id, true)) ?? (await readRow(task, this.id));
    return outcome && toRecord(outcome, task.options.errors);
  }

  async state(): Promise<MessageState | FinalStatus> {
    const task = await this.#resolved();
    return (await stateOf(task, this.id)) ?? "unknown";
  }

  async progress<T = unknown>(): Promise<T | undefined> {
    return (await readProgress(await this.#resolved(), this.id)) as T | undefined;
  }

  async *follow<T = unknown>(options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<T, void, undefined> {
    checkMembers({ ...options }, { signal: abortSignal });
    const { signal } = options;
    const task = await this.#resolved();
    yield* followProgress(task, this.id, async () => isOver(await stateOf(task, this.id)), signal) as AsyncGenerator<
      T,
      void,
      undefined
    >;
  }

  async cancel(): Promise<boolean> {
    return cancelTask(await this.#resolved(), this.id);
  }

  #resolved(): Promise<OpenTask> | OpenTask {
    return this.#definition.open ?? openTask(this.#definition);
  }

  async #wait(task: OpenTask, options: WaitOptions = {}, facts: boolean): Promise<Outcome> {
    const { rpc, queue } = task.options;
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
    return suspendFor(awaitOutcome(task, this.id, facts, timeoutMs, waitSignal(options)));
  }
}

/** How it will have ended. */
async function ending(
  { queue, store, scope, options, brokerName }: OpenTask,
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
  task: OpenTask,
  id: string,
  facts: boolean,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const { queue } = task.options;
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
    return await ending(task, id, facts, stop);
  } catch (error) {
    throw stop.aborted ? stop.reason : error;
  } finally {
    cancel();
  }
}
