/** A published task: its id, its state, its result. */

import { durationMs } from "../base/duration.ts";
import { FunboostError } from "../base/errors.ts";
import { isOver } from "../base/task-state.ts";
import type { FinalStatus, MessageState, Published } from "../contract/broker.ts";
import { abortSignal, checkMembers } from "../options/checks.ts";
import { type RescheduleOptions, rescheduleMessage, updateMessage } from "../queue/edit-message.ts";
import type { Definition, OpenQueue } from "../setup/model.ts";
import { openTask } from "../setup/open.ts";
import { suspendFor, waitSignal } from "../task/context.ts";
import type { Handle, WaitOptions } from "../task/handle.ts";
import { type LostRecord, type Outcome, resultOf, type TaskRecord, toRecord } from "../task/outcome.ts";
import { cancelTasks } from "./cancel-tasks.ts";
import { followProgress, readProgress } from "./progress.ts";
import { readRowOrLost } from "./query-records.ts";
import { readOutcome, stateOf } from "./read-outcome.ts";
import type { RecordedTask } from "./recorder.ts";
import { checkWait, waitOutcome } from "./wait-outcome.ts";

// A class, because one is made for each push: methods on the prototype cost nothing.
export class TaskHandle<R> implements Handle<R> {
  readonly id: string;
  readonly existing: boolean;
  readonly #definition: Definition;
  readonly #rpc: boolean | undefined;
  readonly #publishedAt: number | undefined;

  /** `publishedAt`: epoch milliseconds; without it nobody has said yet that such a task exists. */
  constructor(definition: Definition, published: Published, publishedAt?: number, rpc?: boolean) {
    this.#definition = definition;
    this.id = published.id;
    this.existing = published.existing ?? false;
    this.#publishedAt = publishedAt;
    this.#rpc = rpc;
  }

  async waitResult(options?: WaitOptions): Promise<R> {
    const task = await this.#open();
    return resultOf(await this.#wait(task, options, false), task.options.errors);
  }

  async waitRecord(options?: WaitOptions): Promise<TaskRecord<R>> {
    const task = await this.#open();
    return toRecord(await this.#wait(task, options, true), task.options.errors);
  }

  async record(): Promise<TaskRecord<R> | LostRecord | undefined> {
    const task = await this.#open();
    const row = (await readOutcome(task, this.id, true, this.#since)) ?? (await readRowOrLost(task, this.id));
    return row && toRecord<R>(row as Outcome, task.options.errors);
  }

  async state(): Promise<MessageState | FinalStatus> {
    const task = await this.#open();
    return (await stateOf(task, this.id, this.#since)) ?? "unknown";
  }

  async progress<T = unknown>(): Promise<T | undefined> {
    return (await readProgress(await this.#open(), this.id, this.#since)) as T | undefined;
  }

  async *follow<T = unknown>(options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<T, void, undefined> {
    checkMembers({ ...options }, { signal: abortSignal });
    const { signal } = options;
    const task = await this.#open();
    const isEnded = async () => isOver(await stateOf(task, this.id, this.#since));
    const known = { id: this.id, since: this.#since };
    for await (const value of followProgress(task, known, isEnded, signal)) yield value as T;
  }

  async cancel(): Promise<boolean> {
    const [isCancelled = false] = await cancelTasks(await this.#open(), [this.id]);
    return isCancelled;
  }

  /** What began before is another task's, that had this id before it. */
  get #since(): number | undefined {
    return this.existing ? undefined : this.#publishedAt;
  }

  async update(args: readonly unknown[]): Promise<boolean> {
    return updateMessage(await this.#open(), this.#definition, this.id, args);
  }

  async reschedule(change: RescheduleOptions): Promise<boolean> {
    return rescheduleMessage(await this.#open(), this.id, change);
  }

  #open(): Promise<RecordedTask> | RecordedTask {
    return this.#definition.open ?? openTask(this.#definition);
  }

  /** No `async`: ten thousand may wait. */
  #wait(task: OpenQueue, options: WaitOptions = {}, facts: boolean): Promise<Outcome> {
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
    const knownAt = this.#publishedAt;
    const isNew = knownAt !== undefined && !this.existing;
    const known = { id: this.id, knownAt, isNew, isAwaited: options.unknown === "wait" };
    return suspendFor(waitOutcome(task, known, { facts, timeoutMs, signal: waitSignal(options) }));
  }
}
