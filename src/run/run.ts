/** One delivery to one settlement: what must not start, the call, and its end. */
import { AsyncResource } from "node:async_hooks";
import { clock, within } from "../base/clock.ts";
import { FunboostError, isFunboostError, toError } from "../base/errors.ts";
import { inSpan, isWatched, running } from "../base/events.ts";
import type { Delivery, Settlement } from "../contract/broker.ts";
import type { Claim, Filter } from "../filter/on-run.ts";
import type { Options } from "../options/task.ts";
import { countEnd, type Tally } from "../queue/tally.ts";
import type { OpenTask } from "../setup/model.ts";
import type { RunEnd, Slot } from "../slots/slot.ts";
import { countUp, insist } from "../store/insist.ts";
import { inRun } from "../task/context.ts";
import { traceRun } from "../task/trace.ts";
import { type Call, decodeBody } from "../wire/call.ts";
import type { MessageLimits } from "../wire/limits.ts";
import type { AnyFunction } from "../wire/signature.ts";
import { type Attempt, buried, decide, endAs, filtered, recordStart, succeed } from "./ending.ts";
import { expiredReason } from "./expiry.ts";
import { cancelledError, lingerMs, type RunHost, TaskRun } from "./task-run.ts";
import { withTimeout } from "./timeout.ts";

export type Runner = (delivery: Delivery, slot: Slot) => Promise<RunEnd> | RunEnd;

/** After a failure of our own (a bug, or a logger that throws) the message is tried again, never lost and never held. */
const brokenMs = 1_000;
const noLimits: MessageLimits = Object.freeze({});

// Engines call us in the async context of whoever connected or published first: a run must not see it.
const neutral = new AsyncResource("funboost:run");

/** What nearly every delivery does is done without `async`: with async hooks in use each promise costs about half a microsecond. */
export function createRunner(task: OpenTask, place: RunHost): Runner {
  return (delivery, slot) => {
    try {
      const ended = run(task, delivery, slot, place);
      return ended instanceof Promise ? ended.catch((error: unknown) => broken(task, delivery, error)) : ended;
    } catch (error) {
      return broken(task, delivery, error);
    }
  };
}

function broken({ log, options }: OpenTask, delivery: Delivery, error: unknown): RunEnd {
  log.error(
    { queue: options.queue, taskId: delivery.id, error: toError(error) },
    "a delivery could not be settled; it is tried again",
  );
  return { settlement: { outcome: "postponed", delayMs: brokenMs } };
}

function run(task: OpenTask, delivery: Delivery, slot: Slot, place: RunHost): Promise<RunEnd> | RunEnd {
  const { definition, options } = task;
  const startedAt = clock.now();
  let call: Call;
  try {
    call = decodeBody(delivery.body, definition.signature, options.convert, delivery.publishedAt);
  } catch (error) {
    return bad(
      task,
      { delivery, limits: noLimits, startedAt, args: [], keepDone: undefined },
      place.tally,
      toError(error),
    );
  }
  const attempt: Attempt = { delivery, limits: call.limits, startedAt, args: call.args, keepDone: undefined };
  if (place.cancelled(delivery.id, delivery.publishedAt, call.limits)) return cancelled(task, attempt);
  const current = new TaskRun(task, delivery, call, slot, place);
  const crashes = delivery.crashes ?? 0;
  if (crashes < 2 && startsPlainly(call.limits, options)) return execute(task, attempt, current);
  return carefully(task, attempt, current, place);
}

function startsPlainly({ etaMs, expireAfterMs }: MessageLimits, options: Options): boolean {
  return etaMs === undefined && !expireAfterMs && !options.expireAfterMs && options.filter === undefined;
}

/** With the checks that few messages need; they too are done without `async` as far as it goes. */
function carefully(task: OpenTask, attempt: Attempt, current: TaskRun, place: RunHost): Promise<RunEnd> | RunEnd {
  if ((attempt.delivery.crashes ?? 0) >= 2) return dangerously(task, attempt, current, place);
  return beforeStart(task, attempt) ?? start(task, attempt, current, place);
}

/** What has taken its process down with it, more than once. */
async function dangerously(task: OpenTask, attempt: Attempt, current: TaskRun, place: RunHost): Promise<RunEnd> {
  const early = beforeStart(task, attempt);
  if (early) return early;
  if (await crashedTooOften(task, attempt.delivery))
    return { settlement: countEnd(place.tally, await crashed(task, attempt)) };
  try {
    return await start(task, attempt, current, place);
  } finally {
    await forgetCrashes(task, attempt.delivery);
  }
}

function start(
  task: OpenTask,
  attempt: Attempt,
  current: TaskRun,
  { filter, tally }: RunHost,
): Promise<RunEnd> | RunEnd {
  return filter ? filteredRun(filter, task, attempt, current, tally) : execute(task, attempt, current);
}

function filteredRun(
  filter: Filter,
  task: OpenTask,
  attempt: Attempt,
  current: TaskRun,
  tally: Tally,
): Promise<RunEnd> {
  let claiming: Promise<Claim>;
  try {
    claiming = filter.claim(attempt.delivery, current.args, attempt.limits.filterKey);
  } catch (error) {
    return bad(task, attempt, tally, toError(error)); // the task's own key function threw
  }
  return claiming.then((claim) => {
    if (claim.may === "wait") return { settlement: claim.settlement };
    if (claim.may === "end") return filtered(task, attempt, claim.owner).then((settlement) => ({ settlement }));
    return claimedRun(filter, claim.key, task, attempt, current);
  });
}

function claimedRun(
  filter: Filter,
  key: string,
  task: OpenTask,
  attempt: Attempt,
  current: TaskRun,
): Promise<RunEnd> | RunEnd {
  const { id } = attempt.delivery;
  attempt.keepDone = (text) => filter.done(key, id, text);
  const settled = (ended: RunEnd) =>
    ended.settlement.outcome === "done" ? ended : filter.settle(key, id, ended.settlement).then(() => ended);
  const ended = execute(task, attempt, current);
  return ended instanceof Promise ? ended.then(settled) : settled(ended);
}

function execute(task: OpenTask, attempt: Attempt, current: TaskRun): Promise<RunEnd> | RunEnd {
  return isWatched(running) ? executeWatched(task, attempt, current) : executePlain(task, attempt, current);
}

function executeWatched(task: OpenTask, attempt: Attempt, current: TaskRun): Promise<RunEnd> {
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

function executePlain(task: OpenTask, attempt: Attempt, current: TaskRun): Promise<RunEnd> | RunEnd {
  if (task.options.record?.running) void recordStart(task, attempt);
  const fn = task.call as AnyFunction;
  let value: unknown;
  try {
    value = neutral.runInAsyncScope(invoke, undefined, fn, current);
  } catch (error) {
    return fail(task, attempt, current, error);
  }
  if (!isThenable(value)) return end(task, attempt, current, value);
  const timeoutMs = attempt.limits.timeoutMs ?? task.options.timeoutMs;
  const work = Promise.resolve(value);
  return (timeoutMs ? withTimeout(work, timeoutMs, current) : work).then(
    (result) => end(task, attempt, current, result),
    (error: unknown) => fail(task, attempt, current, error, work),
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

const settled = (settlement: Settlement): RunEnd => ({ settlement });

function end(task: OpenTask, attempt: Attempt, current: TaskRun, value: unknown): Promise<RunEnd> | RunEnd {
  current.end(attempt.startedAt);
  const settlement = succeed(task, attempt, value);
  return settlement instanceof Promise ? settlement.then(settled) : { settlement };
}

async function fail(
  task: OpenTask,
  attempt: Attempt,
  current: TaskRun,
  error: unknown,
  work?: Promise<unknown>,
): Promise<RunEnd> {
  const late = isFunboostError(error) && error.code === "TIMEOUT" && work !== undefined;
  const returned = late ? lingering(work, current).then(() => current.end(attempt.startedAt)) : undefined;
  if (!late) current.end(attempt.startedAt);
  const told = current.toldToEnd();
  if (told === "SHUT_DOWN") return { settlement: { outcome: "postponed", delayMs: 0 } }; // its process stops: no failure of the task
  if (told === "CANCELLED") return { ...(await cancelled(task, attempt)), returned };
  return { settlement: current.counted(await decide(task, attempt, toError(error), current.logger)), returned };
}

async function cancelled(task: OpenTask, attempt: Attempt): Promise<RunEnd> {
  return { settlement: await endAs(task, attempt, "cancelled", cancelledError(task.options.queue)) };
}

/** After a timeout the slot stays taken until the function returns, at most 5 s. */
async function lingering(work: Promise<unknown>, current: TaskRun): Promise<void> {
  const returned = work.catch(() => {});
  if (!(await within(returned, lingerMs, { unref: true }))) current.stuck("timeout");
}

/** The end of what must not start: not due yet, or too old. */
function beforeStart(task: OpenTask, attempt: Attempt): Promise<RunEnd> | RunEnd | undefined {
  const { options } = task;
  const { delivery, limits, startedAt } = attempt;
  const { etaMs } = limits;
  // Published elsewhere with a delay that its engine does not carry.
  if (etaMs !== undefined && etaMs > startedAt && delivery.attempt === 1)
    return { settlement: { outcome: "postponed", delayMs: etaMs - startedAt } };
  const reason = expiredReason(delivery, limits, options.expireAfterMs, startedAt);
  if (!reason) return undefined;
  return endAs(task, attempt, "expired", new FunboostError("EXPIRED", reason, { where: options.queue })).then(
    (settlement) => ({ settlement }),
  );
}

async function bad(task: OpenTask, attempt: Attempt, tally: Tally, error: Error): Promise<RunEnd> {
  task.log.warn(
    { queue: task.options.queue, taskId: attempt.delivery.id, error: error.message },
    "bad message, moved to the dead-letter queue",
  );
  return { settlement: countEnd(tally, await buried(task, attempt, error)) };
}

/** Counts starts that have not ended, of a run that is alone in its process; true after too many. */
async function crashedTooOften(task: OpenTask, delivery: Delivery): Promise<boolean> {
  const { options, store } = task;
  if (!store) return (delivery.crashes ?? 0) >= options.maxCrashes + 2;
  return (await countUp(task, crashKey(task, delivery))) > options.maxCrashes;
}

function crashed(task: OpenTask, attempt: Attempt): Promise<Settlement> {
  const { options, log } = task;
  const text = `its process died ${options.maxCrashes} times while it ran alone (maxCrashes)`;
  log.warn({ queue: options.queue, taskId: attempt.delivery.id }, `task moved to the dead-letter queue: ${text}`);
  return buried(task, attempt, new FunboostError("CRASHED", text, { where: options.queue }));
}

/** This start has ended, well or not: it was no crash. */
async function forgetCrashes(task: OpenTask, delivery: Delivery): Promise<void> {
  if ((delivery.crashes ?? 0) < 2) return;
  await insist(task, async () => task.store?.delete([crashKey(task, delivery)]));
}

function crashKey({ scope }: OpenTask, { id, publishedAt }: Delivery): string {
  return `alone:${encodeURIComponent(scope)}:${id}:${publishedAt ?? 0}`;
}
