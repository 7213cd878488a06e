/** How an attempt ends: done, again, or for good. The core decides, the adapter carries it out. */
import { FunboostError, isFunboostError, serializeError } from "../base/errors.ts";
import { copyCarriable, Uncarriable } from "../base/json-check.ts";
import type { Logger } from "../base/log.ts";
import type { Ended, FinalStatus, Settlement } from "../contract/broker.ts";
import { toDeadLetters } from "../queue/to-dead-letters.ts";
import { keepEnd } from "../results/keep-end.ts";
import { isKept } from "../results/keepers.ts";
import { type NewOutcome, newOutcome } from "../results/new-outcome.ts";
import type { OpenQueue } from "../setup/model.ts";
import { countUp } from "../store/insist.ts";
import type { RequeueError } from "../task/errors.ts";
import type { Outcome } from "../task/outcome.ts";
import { askedMs, nextRun, type Thrown } from "./again.ts";
import type { Attempt, RunnableTask } from "./attempt.ts";
import { cancelledError } from "./cancelled-error.ts";
import { createPauses } from "./pauses.ts";

/** Between a requeue and the next try, when the task does not say: a lone message must not spin. */
const requeueMs = 100;
/** Until the dead-letter queue is tried again. */
const burials = createPauses();

type Done = Extract<Settlement, { outcome: "done" }>;
type Final = Extract<Settlement, { outcome: "done" | "failed" }>;

const done: Done = Object.freeze({ outcome: "done" });

/**
 * Most ends are kept nowhere: then there is no outcome, and no promise. Throws what the result of a job of others does
 * when it is written down: to its engine that is a failure.
 */
export function succeed(task: RunnableTask, attempt: Attempt, value: unknown): Promise<Settlement> | Settlement {
  const copied = copyResult(value);
  const copy = copied instanceof LostResult && attempt.rules ? asWritten(value) : copied;
  const lost = copy instanceof LostResult ? copy : undefined;
  const settlement: Done = lost || copy === undefined ? done : { outcome: "done", result: copy };
  if (!task.queue.result && !isKept(task, attempt)) return settlement;
  const outcome = outcomeOf(task, attempt, "done");
  if (lost) Object.assign(outcome, { lostAt: lost.path, error: serializeError(lost.error) });
  else if (copy !== undefined) outcome.result = copy;
  return conclude(task, attempt, settlement, outcome);
}

/** A result that cannot be carried leaves the run done: running it again would not change that. */
class LostResult {
  readonly path: string;
  readonly error: unknown;

  constructor(path: string, error: unknown) {
    this.path = path;
    this.error = error;
  }
}

/** A copy: the function may go on to change what it has returned. */
function copyResult(value: unknown): unknown {
  try {
    const copy = copyCarriable(value, "result");
    if (!(copy instanceof Uncarriable)) return copy;
    return new LostResult(copy.path, new FunboostError("RESULT", `${copy.path} is ${copy.what}.`));
  } catch (error) {
    return new LostResult("result", error); // a getter that throws
  }
}

/** As JSON makes it: a Date is its text. */
function asWritten(value: unknown): unknown {
  const text: string | undefined = JSON.stringify(value);
  return text === undefined ? undefined : JSON.parse(text);
}

/** After an error: again, to the dead letters, or failed for good. */
export async function retryOrEnd(
  task: RunnableTask,
  attempt: Attempt,
  thrown: Thrown,
  logger: Logger,
): Promise<Settlement> {
  const { options } = task;
  const { delivery } = attempt;
  const { error } = thrown;
  const code = isFunboostError(error) ? error.code : undefined;
  if (code === "REQUEUE") return requeue(task, attempt, error as RequeueError, logger);
  const next = await nextRun(task, attempt, thrown, logger);
  if (next === "moved") return { outcome: "moved", by: thrown.value };
  const body = options.log?.bodies ? { body: delivery.body } : {};
  if (next !== "final") {
    logger.info({ attempt: delivery.attempt, delayMs: next, ...body, error }, "task failed, will retry");
    if (task.listeners.has("retry"))
      task.listeners.tell("retry", { id: delivery.id, attempt: delivery.attempt, error, delayMs: next }, task.log);
    return { outcome: "retry", error, delayMs: next };
  }
  const dead = code === "DEAD_LETTER" || options.deadLetter !== undefined;
  logger.warn(
    { attempt: delivery.attempt, ...body, error },
    dead ? "task failed for good, moved to the dead-letter queue" : "task failed for good",
  );
  return dead ? copyAndEnd(task, attempt, error) : endAs(task, attempt, "failed", error);
}

async function requeue(task: RunnableTask, attempt: Attempt, error: RequeueError, logger: Logger): Promise<Settlement> {
  const { scope, options } = task;
  const { id, publishedAt } = attempt.delivery;
  const times = await countUp(task, `requeues:${encodeURIComponent(scope)}:${id}:${publishedAt ?? 0}`);
  if (times <= options.maxRequeues) return { outcome: "postponed", delayMs: askedMs(error, logger) ?? requeueMs };
  const text = `requeued ${options.maxRequeues} times (maxRequeues)`;
  return bury(task, attempt, new FunboostError("DEAD_LETTER", text, { cause: error }));
}

/** Final and kept: what others published stays among what failed in their engine, unless the task says where. */
export function bury(task: RunnableTask, attempt: Attempt, error: Error): Promise<Settlement> {
  const keptByEngine = attempt.rules !== undefined && task.options.deadLetter === undefined;
  return keptByEngine ? endAs(task, attempt, "failed", error) : copyAndEnd(task, attempt, error);
}

/** Final and in the dead-letter queue: first the copy, then the end, so that nothing is lost between the two. */
async function copyAndEnd(task: RunnableTask, attempt: Attempt, error: Error): Promise<Settlement> {
  const published = await toDeadLetters(task, attempt.delivery, error);
  if (!published) return { outcome: "postponed", delayMs: burials.next(task, attempt.delivery).delayMs };
  burials.forget(task, attempt.delivery);
  return endAs(task, attempt, "dead", error);
}

export function endCancelled(task: RunnableTask, attempt: Attempt): Promise<Settlement> {
  return endAs(task, attempt, "cancelled", cancelledError(task.options.queue));
}

/** Done before, by itself (only its acknowledgement was lost) or by an equal message, whose result it answers. */
export async function endFiltered(task: RunnableTask, attempt: Attempt, owner: Outcome): Promise<Settlement> {
  const { result, lostAt, error } = owner;
  const outcome = owner.id === attempt.delivery.id ? { ...owner } : outcomeOf(task, attempt, "filtered");
  if (result !== undefined) outcome.result = result;
  if (lostAt !== undefined) Object.assign(outcome, { lostAt, error });
  return conclude(task, attempt, result === undefined ? done : { outcome: "done", result }, outcome);
}

export async function endAs(
  task: RunnableTask,
  attempt: Attempt,
  status: FinalStatus,
  error: Error,
): Promise<Settlement> {
  const outcome = outcomeOf(task, attempt, status);
  outcome.error = serializeError(error);
  return conclude(task, attempt, { outcome: "failed", error }, outcome);
}

/** First what is kept of the end, then its settlement. An engine that keeps results itself gets the record with it. */
function conclude(
  task: RunnableTask,
  attempt: Attempt,
  settlement: Final,
  outcome: Outcome,
): Promise<Settlement> | Settlement {
  const final = task.queue.result ? { ...settlement, record: endedOf(outcome) } : settlement;
  const kept = keepEnd(task, attempt, outcome);
  return kept ? kept.then(() => final) : final;
}

function outcomeOf({ options }: OpenQueue, { delivery, startedAt, job }: Attempt, status: FinalStatus): NewOutcome {
  return newOutcome({ queue: options.queue, job }, delivery, startedAt, status);
}

function endedOf({ id: _id, queue: _queue, result: _result, ...ended }: Outcome): Ended {
  return ended as Omit<Outcome, "error"> as Ended;
}
