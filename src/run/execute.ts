/** The call of a task's function, and its end. */
import { AsyncResource } from "node:async_hooks";
import { within } from "../base/clock.ts";
import { copyError, isFunboostError } from "../base/errors.ts";
import { inSpan, isWatched, running } from "../base/events.ts";
import type { Settlement } from "../contract/broker.ts";
import { countEnd } from "../queue/tally.ts";
import { recordStart } from "../results/recorder.ts";
import type { RunEnd } from "../slots/slot.ts";
import { inRun } from "../task/context.ts";
import { traceRun } from "../task/trace.ts";
import type { AnyFunction } from "../wire/signature.ts";
import type { Attempt, RunnableTask } from "./attempt.ts";
import { endCancelled, retryOrEnd, succeed } from "./ending.ts";
import { ownLogger } from "./engine-tools.ts";
import { lingerMs, type TaskRun } from "./task-run.ts";
import { withTimeout } from "./timeout.ts";

// Engines call us in the async context of whoever connected or published first: a run must not see it.
const neutral = new AsyncResource("funboost:run");

/** Without `async` where the function is: each promise of a run counts. */
export function execute(task: RunnableTask, attempt: Attempt, current: TaskRun): Promise<RunEnd> | RunEnd {
  return isWatched(running) ? executeWatched(task, attempt, current) : executePlain(task, attempt, current);
}

function executeWatched(task: RunnableTask, attempt: Attempt, current: TaskRun): Promise<RunEnd> {
  const { options, brokerName } = task;
  const { delivery, startedAt } = attempt;
  const { id: taskId, attempt: number, publishedAt } = delivery;
  const fields = {
    queue: options.queue,
    broker: brokerName,
    taskId,
    attempt: number,
    waitMs: publishedAt === undefined ? undefined : startedAt - publishedAt,
  };
  return inSpan(
    running,
    fields,
    () => executePlain(task, attempt, current),
    ({ settlement }) => ({
      outcome: settlement.outcome,
      ...("error" in settlement ? { error: settlement.error } : {}),
    }),
    "runMs",
  );
}

function executePlain(task: RunnableTask, attempt: Attempt, current: TaskRun): Promise<RunEnd> | RunEnd {
  return task.options.record?.running ? executeRecorded(task, attempt, current) : call(task, attempt, current);
}

/** With a row of its start, which tells that it runs for no longer than it does. */
async function executeRecorded(task: RunnableTask, attempt: Attempt, current: TaskRun): Promise<RunEnd> {
  const over = recordStart(task, attempt.delivery, attempt.startedAt, attempt.args, attempt.job);
  let again = true;
  try {
    const end = await call(task, attempt, current);
    again = end.settlement.outcome !== "done" && end.settlement.outcome !== "failed";
    return end;
  } finally {
    await over?.(again);
  }
}

function call(task: RunnableTask, attempt: Attempt, current: TaskRun): Promise<RunEnd> | RunEnd {
  const fn = task.call as AnyFunction;
  let value: unknown;
  let work: Promise<unknown> | undefined;
  try {
    value = neutral.runInAsyncScope(invoke, undefined, fn, current);
    if (isThenable(value)) work = Promise.resolve(value);
  } catch (error) {
    return endFailed(task, attempt, current, error);
  }
  if (!work) return endDone(task, attempt, current, value);
  const timeoutMs = attempt.limits.timeoutMs ?? attempt.rules?.timeoutMs ?? task.options.timeoutMs;
  return (timeoutMs ? withTimeout(work, timeoutMs, current) : work).then(
    (result) => endDone(task, attempt, current, result),
    (error: unknown) => endFailed(task, attempt, current, error, work),
  );
}

function invoke(fn: AnyFunction, current: TaskRun): unknown {
  const traced = traceRun();
  const work = () => fn(...current.args);
  return inRun(current, traced ? () => traced(current.headers, work) : work);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

function endDone(task: RunnableTask, attempt: Attempt, current: TaskRun, value: unknown): Promise<RunEnd> | RunEnd {
  current.end();
  try {
    const settlement = succeed(task, attempt, value);
    return settlement instanceof Promise ? settlement.then(toRunEnd) : { settlement };
  } catch (error) {
    if (!attempt.rules) throw error;
    return endFailed(task, attempt, current, error);
  }
}

async function endFailed(
  task: RunnableTask,
  attempt: Attempt,
  current: TaskRun,
  thrown: unknown,
  work?: Promise<unknown>,
): Promise<RunEnd> {
  const error = copyError(thrown);
  const late = isFunboostError(error) && error.code === "TIMEOUT" && work !== undefined;
  const returned = late ? waitForReturn(work, current).then(() => current.end()) : undefined;
  if (!late) current.end();
  const reason = current.stopReason();
  if (reason === "SHUT_DOWN") return { settlement: { outcome: "postponed", delayMs: 0 } }; // no failure of the task
  if (reason === "CANCELLED") return { settlement: await endCancelled(task, attempt), returned };
  const settlement = await retryOrEnd(task, attempt, { value: thrown, error }, ownLogger(task, attempt));
  return { settlement: countEnd(current.host.tally, settlement), returned };
}

/** After a timeout the slot stays taken until the function returns, at most 5 s. */
async function waitForReturn(work: Promise<unknown>, current: TaskRun): Promise<void> {
  const returned = work.catch(() => {});
  if (!(await within(returned, lingerMs, { unref: true }))) current.reportStuck("timeout");
}

export function toRunEnd(settlement: Settlement): RunEnd {
  return { settlement };
}
