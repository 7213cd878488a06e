/** How an attempt ends: done, again, or for good. The core decides, the adapter carries it out. */
import { clock } from "../base/clock.ts";
import { heldDelayMs } from "../base/duration.ts";
import { describe, FunboostError, isFunboostError, serializeError } from "../base/errors.ts";
import { copyCarriable, Uncarriable } from "../base/json-check.ts";
import type { Logger } from "../base/log.ts";
import type { Delivery, Ended, FinalStatus, Settlement } from "../contract/broker.ts";
import { backoffMs } from "../options/backoff.ts";
import { toDeadLetters } from "../queue/to-dead-letters.ts";
import { keepEnd } from "../results/keep-end.ts";
import { isKept } from "../results/keepers.ts";
import { type NewOutcome, newOutcome } from "../results/new-outcome.ts";
import type { OpenQueue } from "../setup/model.ts";
import { countUp } from "../store/insist.ts";
import type { RequeueError, RetryError } from "../task/errors.ts";
import type { Outcome } from "../task/outcome.ts";
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

/** Most ends are kept nowhere: then there is no outcome, and no promise. */
export function succeed(task: RunnableTask, attempt: Attempt, value: unknown): Promise<Settlement> | Settlement {
  const copy = copyResult(value);
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

/** After an error: again, to the dead letters, or failed for good. */
export async function retryOrEnd(
  task: RunnableTask,
  attempt: Attempt,
  error: Error,
  logger: Logger,
): Promise<Settlement> {
  const { options } = task;
  const { delivery, limits } = attempt;
  const code = isFunboostError(error) ? error.code : undefined;
  if (code === "REQUEUE") return requeue(task, attempt, error as RequeueError, logger);
  const maxRetries = limits.maxRetries ?? options.maxRetries;
  const body = options.log?.bodies ? { body: delivery.body } : {};
  if (code !== "FATAL" && code !== "DEAD_LETTER" && delivery.attempt <= maxRetries) {
    const delayMs = retryDelayMs(task, delivery, error, logger);
    logger.info({ attempt: delivery.attempt, delayMs, ...body, error }, "task failed, will retry");
    return { outcome: "retry", error, delayMs };
  }
  const dead = code === "DEAD_LETTER" || options.deadLetter !== undefined;
  logger.warn(
    { attempt: delivery.attempt, ...body, error },
    dead ? "task failed for good, moved to the dead-letter queue" : "task failed for good",
  );
  return dead ? bury(task, attempt, error) : endAs(task, attempt, "failed", error);
}

function retryDelayMs({ options }: OpenQueue, delivery: Delivery, error: Error, logger: Logger): number {
  const after = isFunboostError(error) && error.code === "RETRY" ? askedMs(error as RetryError, logger) : undefined;
  return after ?? heldDelayMs(backoffMs(options.backoff, delivery.attempt), clock.now());
}

/** What a thrown error asks for, as far as engines hold it. */
function askedMs({ after }: RetryError | RequeueError, logger: Logger): number | undefined {
  if (after === undefined) return undefined;
  const delayMs = heldDelayMs(after, clock.now());
  if (delayMs !== after) logger.warn({ after: describe(after), delayMs }, "an error asks for no time that can be kept");
  return delayMs;
}

async function requeue(task: RunnableTask, attempt: Attempt, error: RequeueError, logger: Logger): Promise<Settlement> {
  const { scope, options } = task;
  const { id, publishedAt } = attempt.delivery;
  const times = await countUp(task, `requeues:${encodeURIComponent(scope)}:${id}:${publishedAt ?? 0}`);
  if (times <= options.maxRequeues) return { outcome: "postponed", delayMs: askedMs(error, logger) ?? requeueMs };
  const text = `requeued ${options.maxRequeues} times (maxRequeues)`;
  return bury(task, attempt, new FunboostError("DEAD_LETTER", text, { cause: error }));
}

/** Final and in the dead-letter queue: first the copy, then the end, so that nothing is lost between the two. */
export async function bury(task: RunnableTask, attempt: Attempt, error: Error): Promise<Settlement> {
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
