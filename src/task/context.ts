/** The running task, through AsyncLocalStorage: `fct`. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Duration } from "../base/duration.ts";
import type { TaskLogger } from "../base/log.ts";
import { fitId } from "../base/message-id.ts";
import { processWide } from "../base/process-wide.ts";
import type { Children } from "../contract/broker.ts";
import type { WaitOptions } from "./handle.ts";
import type { JobFacts } from "./job-facts.ts";

/** One run of a task. Kept by the core; users see it through `fct`. */
export interface Run {
  readonly taskId: string;
  readonly queue: string;
  readonly attempt: number;
  readonly args: readonly unknown[];
  readonly message: unknown;
  readonly publishedAt: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly native: unknown;
  readonly job: JobFacts;
  readonly logger: TaskLogger;
  readonly controller: AbortController;
  progress(value: unknown): Promise<void>;
  slowDown(after: Duration): Promise<void>;
  /** Undefined: its engine has no flows. */
  children(): Promise<Children | undefined>;
  /** Timers and sockets that a run leaves behind keep its context: to them it is over. */
  ended: boolean;
  /** Gives the slot back while the run waits; answers how to take one again. Nested waits give back one. */
  suspend(): () => Promise<void>;
}

/** AsyncLocalStorage, as far as it is used here: our declarations must not need those of Node. */
interface RunStorage {
  getStore(): Run | undefined;
  run<T>(run: Run, work: () => T): T;
  exit<T>(work: () => T): T;
}

const runs = processWide("runs", (): RunStorage => new AsyncLocalStorage<Run>());

/** Does `work` as part of a run: `fct` in it is this run. */
export function inRun<T>(run: Run, work: () => T): T {
  return runs().run(run, work);
}

/** Does `work` as part of no run. */
export function outsideRuns<T>(work: () => T): T {
  return runs().exit(work);
}

export function currentRun(): Run | undefined {
  const run = runs().getStore();
  return run?.ended ? undefined : run;
}

/**
 * The running task, without an extra parameter. Outside a task its members are undefined, and nothing throws.
 *
 * @example
 * const resize = boost({ queue: "resize" }, async (file: string) => {
 *   fct.logger?.info({ attempt: fct.attempt }, "started");
 *   await fetch(`https://example.com/${file}`, { signal: fct.signal });
 * });
 */
export interface TaskContext {
  readonly taskId: string | undefined;
  readonly queue: string | undefined;
  /** 1 at the first run; a crash does not raise it. */
  readonly attempt: number | undefined;
  readonly args: readonly unknown[] | undefined;
  /** The message's body as it came from the broker. */
  readonly message: unknown;
  readonly publishedAt: Date | undefined;
  /** Aborts at the task's timeout, when it is cancelled, and when the process must stop. */
  readonly signal: AbortSignal | undefined;
  /**
   * Writes lines that carry queue and task id: `info({ file }, "started")`, or `info("started")`. Outside a task it
   * writes nothing.
   */
  readonly logger: TaskLogger;
  readonly headers: Readonly<Record<string, string>>;
  /** The engine's own object for the message, such as BullMQ's Job. */
  readonly native: unknown;
  /** The message as plain facts, the same on every engine: its name, its data, which attempt of how many. */
  readonly job: JobFacts | undefined;
  /**
   * Tells how far the task is, any JSON value: `handle.progress()` reads the latest. With a type it is checked:
   * `fct.progress<Step>({ done: 3 })`. Outside a task it does nothing; what a run tells that has lost its lease is
   * dropped.
   */
  progress<T = unknown>(value: T): Promise<void>;
  /**
   * What the children of this job returned, in a flow that BullMQ's FlowProducer has built: by the keys of its
   * `getChildrenValues()`, such as "bull:resize:17". Empty on other engines, which have no flows, and outside a task.
   */
  childResults<T = unknown>(): Promise<Readonly<Record<string, T>>>;
  /** Why children failed whose failure their parent ignores (`ignoreDependencyOnFailure`), by the same keys. */
  childFailures(): Promise<Readonly<Record<string, string>>>;
  /**
   * Nothing of this queue starts for so long, as after a 429: in this process, or with `qpsScope: "global"` in all.
   * Outside a task it does nothing.
   */
  slowDown(after: Duration): Promise<void>;
  /**
   * An id for a child that is the same over all retries of this task, for `publish(args, { taskId })`: a retried parent
   * does not double its children. It fits at any depth: one that would be longer than 200 characters ends in a hash.
   */
  childId(name: string): string;
}

const quiet = () => {};
const noLogger: TaskLogger = { debug: quiet, info: quiet, warn: quiet, error: quiet };
const noHeaders = Object.freeze({});

export const fct: TaskContext = {
  get taskId() {
    return currentRun()?.taskId;
  },
  get queue() {
    return currentRun()?.queue;
  },
  get attempt() {
    return currentRun()?.attempt;
  },
  get args() {
    return currentRun()?.args;
  },
  get message() {
    return currentRun()?.message;
  },
  get publishedAt() {
    const at = currentRun()?.publishedAt;
    return at === undefined ? undefined : new Date(at);
  },
  get signal() {
    return currentRun()?.controller.signal;
  },
  get logger() {
    return currentRun()?.logger ?? noLogger;
  },
  get headers() {
    return currentRun()?.headers ?? noHeaders;
  },
  get native() {
    return currentRun()?.native;
  },
  get job() {
    return currentRun()?.job;
  },
  progress: async (value) => currentRun()?.progress(value),
  childResults: async <T>() => ((await currentRun()?.children())?.results ?? {}) as Readonly<Record<string, T>>,
  childFailures: async () => (await currentRun()?.children())?.failures ?? {},
  slowDown: async (after) => currentRun()?.slowDown(after),
  childId(name) {
    const run = currentRun();
    return run ? fitId(`${run.queue}.${run.taskId}.${name}`) : name;
  },
};

/** A wait ends with its caller's signal, and with the run that it is made in. */
export function waitSignal({ signal }: WaitOptions): AbortSignal | undefined {
  const ofRun = currentRun()?.controller.signal;
  return signal && ofRun ? AbortSignal.any([signal, ofRun]) : (signal ?? ofRun);
}

/** Gives the running task's slot back for as long as `work` takes. */
export function suspendFor<T>(work: Promise<T>): Promise<T> {
  const run = currentRun();
  return run ? suspend(run, work) : work;
}

async function suspend<T>(run: Run, work: Promise<T>): Promise<T> {
  const resume = run.suspend();
  try {
    return await work;
  } finally {
    await resume();
  }
}
