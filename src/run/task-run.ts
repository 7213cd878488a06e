/** What one run knows of itself: `fct` reads it. */

import { clock } from "../base/clock.ts";
import { type Duration, durationMs } from "../base/duration.ts";
import { FunboostError, isFunboostError } from "../base/errors.ts";
import { points, tell } from "../base/events.ts";
import type { TaskLogger } from "../base/log.ts";
import { copyPlain } from "../base/plain-copy.ts";
import type { Children } from "../contract/broker.ts";
import type { Filter } from "../filter/on-run.ts";
import type { CancelledIds } from "../queue/cancelled-ids.ts";
import type { Tally } from "../queue/tally.ts";
import { keepProgress } from "../results/progress.ts";
import type { OpenQueue } from "../setup/model.ts";
import type { Slot } from "../slots/slot.ts";
import type { Run } from "../task/context.ts";
import type { JobFacts } from "../task/job-facts.ts";
import type { Attempt } from "./attempt.ts";
import { cancelledError, isCancel } from "./cancelled-error.ts";
import { ownLogger, runLogger, showProgress } from "./engine-tools.ts";
import { jobFacts } from "./job-facts.ts";

/** For a function to return after it was told to. */
export const lingerMs = 5_000;

/** What a run may ask of the consumer that it runs in. */
export interface RunHost {
  /** Runs that have asked for their signal. */
  readonly signalled: Set<TaskRun>;
  readonly cancelled: CancelledIds["has"];
  readonly filter: Filter | undefined;
  readonly tally: Tally;
  slowDown(ms: number): Promise<void>;
}

/** A class, because one is made for each run: what most tasks never ask for is made when asked for. */
export class TaskRun implements Run {
  ended = false;
  readonly host: RunHost;
  readonly #task: OpenQueue;
  readonly #attempt: Attempt;
  readonly #slot: Slot;
  #controller: AbortController | undefined;
  #logger: TaskLogger | undefined;
  #job: JobFacts | undefined;
  #args: readonly unknown[] | undefined;
  #message: unknown;

  constructor(task: OpenQueue, attempt: Attempt, slot: Slot, host: RunHost) {
    this.host = host;
    this.#task = task;
    this.#attempt = attempt;
    this.#slot = slot;
  }

  get taskId(): string {
    return this.#attempt.delivery.id;
  }
  get queue(): string {
    return this.#task.options.queue;
  }
  get attempt(): number {
    return this.#attempt.delivery.attempt;
  }
  get args(): readonly unknown[] {
    const { args, argsAreShared } = this.#attempt;
    this.#args ??= argsAreShared && args.some(isObject) ? copyArgs(args) : args;
    return this.#args;
  }
  get message(): unknown {
    this.#message ??= copyPlain(this.#attempt.body);
    return this.#message;
  }
  get publishedAt(): number | undefined {
    return this.#attempt.delivery.publishedAt;
  }
  get headers(): Readonly<Record<string, string>> {
    return this.#attempt.limits.headers ?? {};
  }
  async children(): Promise<Children | undefined> {
    return this.#task.queue.children?.(this.#attempt.delivery);
  }
  get native(): unknown {
    return this.#attempt.delivery.native;
  }
  get logger(): TaskLogger {
    this.#logger ??= runLogger(this.#task, this.#attempt);
    return this.#logger;
  }
  get job(): JobFacts {
    this.#job ??= jobFacts(this.#task, this.#attempt, this);
    return this.#job;
  }
  get controller(): AbortController {
    if (this.#controller) return this.#controller;
    this.#controller = new AbortController();
    if (this.ended) return this.#controller;
    this.host.signalled.add(this);
    if (this.#isCancelled()) this.cancel(); // it came before anybody asked
    const { signal } = this.#attempt.delivery;
    signal?.addEventListener("abort", () => isCancel(signal) && this.cancel(), { once: true });
    return this.#controller;
  }
  cancel(): void {
    this.#controller?.abort(cancelledError(this.queue));
    clock.after(lingerMs, () => this.ended || this.reportStuck("cancel"), { unref: true });
  }
  progress(value: unknown): Promise<void> {
    showProgress(this.#task, this.#attempt.delivery, value);
    const { listeners, log } = this.#task;
    const tell = (copy: unknown) => listeners.tell("progress", { id: this.taskId, value: copy }, log);
    return keepProgress(this.#task, this.#attempt.delivery, value, listeners.has("progress") ? tell : undefined);
  }
  suspend(): () => Promise<void> {
    return this.#slot.suspend();
  }
  slowDown(after: Duration): Promise<void> {
    return this.host.slowDown(holdMs(after));
  }
  /** Why it should stop: its process does, or it was cancelled. */
  stopReason(): "SHUT_DOWN" | "CANCELLED" | undefined {
    const reason: unknown = this.#controller?.signal.reason;
    if (isFunboostError(reason) && (reason.code === "SHUT_DOWN" || reason.code === "CANCELLED")) return reason.code;
    return this.#isCancelled() ? "CANCELLED" : undefined;
  }
  #isCancelled(): boolean {
    return (
      this.host.cancelled(this.taskId, this.publishedAt, this.#attempt.limits) ||
      isCancel(this.#attempt.delivery.signal)
    );
  }
  /** Its function goes on, long after it was told to end. */
  reportStuck(reason: "timeout" | "cancel"): void {
    const { options, brokerName } = this.#task;
    tell(points.stuck, () => ({
      queue: options.queue,
      broker: brokerName,
      taskId: this.taskId,
      attempt: this.attempt,
      reason,
    }));
    ownLogger(this.#task, this.#attempt).warn(
      { attempt: this.attempt },
      `a run goes on ${lingerMs / 1000} s after its ${reason}: its function should look at fct.signal`,
    );
  }
  /** Whatever it left behind is no part of a task any more. */
  end(): void {
    this.ended = true;
    const { tally } = this.host;
    tally.ran++;
    tally.ms += Math.max(0, clock.now() - this.#attempt.startedAt); // it may have been set back
    if (this.#controller) this.host.signalled.delete(this);
  }
}

/** What an engine has parsed may be deeper than anything can be copied. */
function copyArgs(args: readonly unknown[]): readonly unknown[] {
  try {
    return args.map((each) => copyPlain(each));
  } catch (cause) {
    throw new FunboostError("DEAD_LETTER", "the body is nested too deep to be copied.", { cause, prefix: false });
  }
}

/** The argument of `fct.slowDown()`. */
function holdMs(value: unknown): number {
  const ms = durationMs(value as number, "slowDown()");
  if (ms === 0)
    throw new FunboostError("BAD_OPTION", 'slowDown() takes a time above 0, such as 2000 (milliseconds) or "30s".');
  return ms;
}

const isObject = (value: unknown) => typeof value === "object" && value !== null;
