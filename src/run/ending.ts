/** How an attempt ends: done, again, or for good. The core decides, the adapter carries it out. */
import { clock } from "../base/clock.ts";
import { FunboostError, isFunboostError, serializeError } from "../base/errors.ts";
import { findUncarriable } from "../base/json-check.ts";
import type { Logger } from "../base/log.ts";
import type { Delivery, Ended, FinalStatus, Settlement } from "../contract/broker.ts";
import { backoffMs } from "../options/backoff.ts";
import { toDeadLetters } from "../queue/dead-letters.ts";
import { movedMark } from "../queue/redrive.ts";
import { host, keepOutcome, pid, recordRow } from "../results/keep.ts";
import { argsText, recorderOf } from "../results/records.ts";
import type { OpenTask } from "../setup/model.ts";
import { countUp, insist } from "../store/insist.ts";
import { endedMark } from "../store/known-ids.ts";
import type { RequeueError, RetryError } from "../task/errors.ts";
import type { Outcome } from "../task/outcome.ts";
import type { MessageLimits } from "../wire/limits.ts";

/** One delivery, as far as its end needs it. */
export interface Attempt {
  readonly delivery: Delivery;
  readonly limits: MessageLimits;
  readonly startedAt: number;
  readonly args: readonly unknown[];
  /** Set by a filter: keeps what is done before anybody is told. */
  keepDone: ((outcome: string) => Promise<void>) | undefined;
}

type Done = Extract<Settlement, { outcome: "done" }>; // reading it costs more than all else of a record
/** Between a requeue and the next try, when the task does not say: a lone message must not spin. */
const requeueMs = 100;
/** Until the dead-letter queue is tried again. */
const buryAgainMs = 1_000;

const done: Done = Object.freeze({ outcome: "done" });

export function succeed(task: OpenTask, attempt: Attempt, value: unknown): Promise<Settlement> | Settlement {
  const lost = value === undefined || value === null ? undefined : findLost(value);
  const settlement: Done = lost || value === undefined ? done : { outcome: "done", result: value };
  const { limits, keepDone } = attempt;
  if (!wantsResult(task, limits) && !isRecorded(task) && !keepDone && !isMarked(limits)) return settlement;
  const outcome = outcomeOf(task, attempt, "done");
  if (lost) Object.assign(outcome, { lostAt: lost.path, error: serializeError(lost.error) });
  else if (value !== undefined) outcome.result = value;
  return conclude(task, attempt, settlement, outcome);
}

/** A result that cannot be carried leaves the run done: running it again would not change that. */
function findLost(value: unknown): { path: string; error: Error } | undefined {
  try {
    const lost = findUncarriable(value, "result");
    return lost && { path: lost.path, error: new FunboostError("RESULT", `${lost.path} is ${lost.what}.`) };
  } catch (error) {
    return { path: "result", error: error as Error }; // a getter that throws
  }
}

export async function decide(task: OpenTask, attempt: Attempt, error: Error, logger: Logger): Promise<Settlement> {
  const { options } = task;
  const { delivery, limits } = attempt;
  const code = isFunboostError(error) ? error.code : undefined;
  if (code === "REQUEUE") return requeue(task, attempt, error as RequeueError);
  const maxRetries = limits.maxRetries ?? options.maxRetries;
  const body = options.log?.bodies ? { body: delivery.body } : {};
  if (code !== "FATAL" && code !== "DEAD_LETTER" && delivery.attempt <= maxRetries) {
    const delayMs = retryDelayMs(task, delivery, error);
    logger.info({ attempt: delivery.attempt, delayMs, ...body, error }, "task failed, will retry");
    return { outcome: "retry", error, delayMs };
  }
  const dead = code === "DEAD_LETTER" || (code !== "FATAL" && options.deadLetter !== undefined);
  logger.warn(
    { attempt: delivery.attempt, ...body, error },
    dead ? "task failed for good, moved to the dead-letter queue" : "task failed for good",
  );
  return dead ? buried(task, attempt, error) : endAs(task, attempt, "failed", error);
}

function retryDelayMs({ options }: OpenTask, delivery: Delivery, error: Error): number {
  const after = isFunboostError(error) && error.code === "RETRY" ? (error as RetryError).after : undefined;
  return after ?? backoffMs(options.backoff, delivery.attempt);
}

async function requeue(task: OpenTask, attempt: Attempt, error: RequeueError): Promise<Settlement> {
  const { scope, options } = task;
  const { id, publishedAt } = attempt.delivery;
  const times = await countUp(task, `requeues:${encodeURIComponent(scope)}:${id}:${publishedAt ?? 0}`);
  if (times > options.maxRequeues) {
    return buried(
      task,
      attempt,
      new FunboostError("DEAD_LETTER", `requeued ${options.maxRequeues} times (maxRequeues)`, { cause: error }),
    );
  }
  return { outcome: "postponed", delayMs: error.after ?? requeueMs };
}

/** Final and in the dead-letter queue: first the copy, then the end, so that nothing is lost between the two. */
export async function buried(task: OpenTask, attempt: Attempt, error: Error): Promise<Settlement> {
  const published = await toDeadLetters(task, attempt.delivery, error);
  return published ? endAs(task, attempt, "dead", error) : { outcome: "postponed", delayMs: buryAgainMs };
}

export async function endAs(task: OpenTask, attempt: Attempt, status: FinalStatus, error: Error): Promise<Settlement> {
  const outcome = outcomeOf(task, attempt, status);
  outcome.error = serializeError(error);
  return conclude(task, attempt, { outcome: "failed", error }, outcome);
}

type Final = Extract<Settlement, { outcome: "done" | "failed" }>;

/** Keeps what is to be known of the end, each where it is asked for: with the engine, as a result, as a row, with the task's own hook. */
function conclude(
  task: OpenTask,
  attempt: Attempt,
  settlement: Final,
  outcome: Outcome,
): Promise<Settlement> | Settlement {
  const { keepDone, limits } = attempt;
  if (isMarked(limits)) return concludeMarked(task, attempt, settlement, outcome);
  if (!keepDone || outcome.status !== "done") return keepEnd(task, attempt, settlement, outcome);
  const text = JSON.stringify(outcome);
  return keepDone(text).then(() => keepEnd(task, attempt, settlement, outcome, text));
}

function keepEnd(
  task: OpenTask,
  attempt: Attempt,
  settlement: Final,
  outcome: Outcome,
  text?: string,
): Promise<Settlement> | Settlement {
  const { queue } = task;
  const settled = queue.result ? { ...settlement, record: endedOf(outcome) } : settlement;
  const keeps = wantsResult(task, attempt.limits) && !queue.result;
  const keep = () => keepOutcome(task, outcome, text).then(() => settled);
  // The row first: a waiter finds it. No `async`: each promise of a run counts.
  if (isRecorded(task)) return recordRow(task, outcome, argsText(attempt.args)).then(() => (keeps ? keep() : settled));
  return keeps ? keep() : settled;
}

/** What must be known of a message that is over, whoever is killed. */
async function concludeMarked(
  task: OpenTask,
  attempt: Attempt,
  settlement: Final,
  outcome: Outcome,
): Promise<Settlement> {
  const { deadLetter, givenId, ...limits } = attempt.limits;
  const marks = [
    ...(deadLetter === undefined ? [] : [movedMark(task, deadLetter)]),
    ...(givenId && outcome.status !== "cancelled" ? [endedMark(task, outcome.id)] : []), // its id may be used again
  ];
  await insist(task, async () => task.store?.set(marks));
  return conclude(task, { ...attempt, limits }, settlement, outcome);
}

/** Few messages are. */
function isMarked({ deadLetter, givenId }: MessageLimits): boolean {
  return deadLetter !== undefined || givenId === true;
}

function endedOf({ id: _id, queue: _queue, result: _result, ...ended }: Outcome): Ended {
  return ended as Omit<Outcome, "error"> as Ended;
}

/** Nothing waits for it: the row of the end replaces it. */
export async function recordStart(task: OpenTask, attempt: Attempt): Promise<void> {
  await recorderOf(task)?.(
    { ...outcomeOf(task, attempt, "done"), status: "running", endedAt: attempt.startedAt },
    argsText(attempt.args),
  );
}

function isRecorded({ options }: OpenTask): boolean {
  return options.record !== undefined || options.onRecord !== undefined;
}

/** Done before, by itself (only its acknowledgement was lost) or by an equal message, whose result it answers. */
export async function filtered(task: OpenTask, attempt: Attempt, owner: Outcome): Promise<Settlement> {
  const { result, lostAt, error } = owner;
  const outcome = owner.id === attempt.delivery.id ? { ...owner } : outcomeOf(task, attempt, "filtered");
  if (result !== undefined) outcome.result = result;
  if (lostAt !== undefined) Object.assign(outcome, { lostAt, error });
  return conclude(task, attempt, result === undefined ? done : { outcome: "done", result }, outcome);
}

/** An engine that keeps results keeps them without being asked, and answers more than it is asked for. */
function wantsResult({ options, store, queue }: OpenTask, limits: MessageLimits): boolean {
  // Whoever publishes an equal message gets the handle of the first, and may ask it.
  const asked = limits.rpc ?? (options.rpc !== undefined || options.filter?.when === "published");
  return queue.result !== undefined || (store !== undefined && asked);
}

type Draft = { -readonly [Key in keyof Outcome]: Outcome[Key] };

/** Made once, and by hand: spreading objects costs more than all else of it. */
function outcomeOf({ options }: OpenTask, { delivery, startedAt }: Attempt, status: FinalStatus): Draft {
  const { id, attempt: attempts, publishedAt } = delivery;
  const outcome: Draft = { id, queue: options.queue, status, attempts, startedAt, endedAt: clock.now(), host, pid };
  if (publishedAt !== undefined) outcome.publishedAt = publishedAt;
  return outcome;
}
