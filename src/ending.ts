/** How an attempt ends: done, again, or for good. The core decides, the adapter carries it out. */
import { hostname } from "node:os";
import { backoffMs } from "./backoff.ts";
import { clock } from "./clock.ts";
import type { Delivery, Ended, Settlement } from "./contract/broker.ts";
import { toDeadLetters } from "./dead-letter.ts";
import { type FinalStatus, FunboostError, isFunboostError, serializeError, toError } from "./errors.ts";
import { findUncarriable } from "./json.ts";
import type { Logger } from "./log.ts";
import type { MessageLimits } from "./message.ts";
import { type Outcome, toOutcome, toRecord } from "./outcome.ts";
import { count, insisting } from "./persist.ts";
import { argsText, type OnRecord, type TaskRow } from "./records.ts";
import type { Runtime } from "./runtime.ts";
import type { RequeueError, RetryError } from "./task-errors.ts";

/** One delivery, as far as its end needs it. */
export interface Attempt {
  readonly delivery: Delivery;
  readonly limits: MessageLimits;
  readonly startedAt: number;
  readonly args: readonly unknown[];
}

type Done = Extract<Settlement, { outcome: "done" }>;

const host = hostname();
/** Between a requeue and the next try, when the task does not say: a lone message must not spin. */
const requeueMs = 100;
/** Until the dead-letter queue is tried again. */
const buryAgainMs = 1_000;

const done: Done = Object.freeze({ outcome: "done" });

export function succeed(runtime: Runtime, attempt: Attempt, value: unknown): Promise<Settlement> | Settlement {
  const lost = value === undefined || value === null ? undefined : findLost(value);
  const settlement: Done = lost || value === undefined ? done : { outcome: "done", result: value };
  if (!wantsResult(runtime, attempt.limits) && !isRecorded(runtime)) return settlement;
  const record = recordOf(attempt, { status: "done", ...(lost && { lostAt: lost.path, error: { ...serializeError(lost.error) } }) });
  return conclude(runtime, attempt, settlement, lost ? record : { ...record, result: value });
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

export async function decide(runtime: Runtime, attempt: Attempt, error: Error, logger: Logger): Promise<Settlement> {
  const { options } = runtime;
  const { delivery, limits } = attempt;
  const code = isFunboostError(error) ? error.code : undefined;
  if (code === "REQUEUE") return requeue(runtime, attempt, error as RequeueError);
  const maxRetries = limits.maxRetries ?? options.maxRetries;
  const body = options.log?.bodies ? { body: delivery.body } : {};
  if (code !== "FATAL" && code !== "DEAD_LETTER" && delivery.attempt <= maxRetries) {
    const delayMs = retryDelayMs(runtime, delivery, error);
    logger.info({ attempt: delivery.attempt, delayMs, ...body, error }, "task failed, will retry");
    return { outcome: "retry", error, delayMs };
  }
  const dead = code === "DEAD_LETTER" || (code !== "FATAL" && options.deadLetter !== undefined);
  logger.warn({ attempt: delivery.attempt, ...body, error }, dead ? "task failed for good, moved to the dead-letter queue" : "task failed for good");
  return dead ? buried(runtime, attempt, error) : finish(runtime, attempt, "failed", error);
}

function retryDelayMs({ options }: Runtime, delivery: Delivery, error: Error): number {
  const after = isFunboostError(error) && error.code === "RETRY" ? (error as RetryError).after : undefined;
  return after ?? backoffMs(options.backoff, delivery.attempt);
}

async function requeue(runtime: Runtime, attempt: Attempt, error: RequeueError): Promise<Settlement> {
  const { scope, options } = runtime;
  const { id, publishedAt } = attempt.delivery;
  const times = await count(runtime, `requeues:${encodeURIComponent(scope)}:${id}:${publishedAt ?? 0}`);
  if (times > options.maxRequeues) {
    return buried(runtime, attempt, new FunboostError("DEAD_LETTER", `requeued ${options.maxRequeues} times (maxRequeues)`, { cause: error }));
  }
  return { outcome: "postponed", delayMs: error.after ?? requeueMs };
}

/** Final and in the dead-letter queue: first the copy, then the end, so that nothing is lost between the two. */
export async function buried(runtime: Runtime, attempt: Attempt, error: Error): Promise<Settlement> {
  const published = await toDeadLetters(runtime, attempt.delivery, error);
  return published ? finish(runtime, attempt, "dead", error) : { outcome: "postponed", delayMs: buryAgainMs };
}

export async function finish(runtime: Runtime, attempt: Attempt, status: FinalStatus, error: Error): Promise<Settlement> {
  const record = recordOf(attempt, { status, error: { ...serializeError(error) } });
  return conclude(runtime, attempt, { outcome: "failed", error }, record);
}

type Final = Extract<Settlement, { outcome: "done" | "failed" }>;

/** Keeps what is to be known of the end, each where it is asked for: with the engine, as a result, as a row, with the task's own hook. */
function conclude(runtime: Runtime, attempt: Attempt, settlement: Final, ended: Ended): Promise<Settlement> | Settlement {
  const { options, queue } = runtime;
  const { id } = attempt.delivery;
  const settled = queue.result ? { ...settlement, record: withoutResult(ended) } : settlement;
  // With a filter the store keeps it in any case: for equal messages, and should the acknowledgement be lost.
  const keeps = wantsResult(runtime, attempt.limits) && (!queue.result || options.filter !== undefined);
  const keep = () => keepOutcome(runtime, toOutcome(id, options.queue, ended));
  // The row first: a waiter finds it. No `async`: each promise of a run counts.
  if (isRecorded(runtime)) return recordRow(runtime, id, argsText(attempt.args), ended).then(() => (keeps ? keep().then(() => settled) : settled));
  return keeps ? keep().then(() => settled) : settled;
}

function withoutResult({ result: _, ...record }: Ended): Ended {
  return record;
}

/** In the store, and with the task's own hook. */
async function recordRow(runtime: Runtime, id: string, args: string, ended: Ended): Promise<void> {
  const { record, options } = runtime;
  if (record) await record(id, args, ended);
  if (options.onRecord) await callHook(runtime, options.onRecord, id, ended, args);
}

/** The user's own table: an error of theirs is said and does not touch the task. */
async function callHook({ options, log }: Runtime, hook: OnRecord, id: string, ended: Ended, args: string): Promise<void> {
  try {
    await hook({ ...toRecord(toOutcome(id, options.queue, ended), options.errors), args } as TaskRow);
  } catch (error) {
    log.error({ queue: options.queue, taskId: id, error: toError(error) }, "onRecord threw; this row is not written");
  }
}

function isRecorded({ options }: Runtime): boolean {
  return options.record !== undefined || options.onRecord !== undefined;
}

/** Done before, by itself (only its acknowledgement was lost) or by an equal message, whose result it answers. */
export async function filtered(runtime: Runtime, attempt: Attempt, owner: string): Promise<Settlement> {
  const { store, scope } = runtime;
  const [text] = (await insisting(runtime, async () => store?.results.get(scope, [owner]))) ?? [];
  const known = text === undefined ? undefined : (JSON.parse(text) as Outcome);
  const result = known && "result" in known ? { result: known.result } : {};
  const status = owner === attempt.delivery.id ? "done" : "filtered";
  const record = recordOf(attempt, { status, ...(known?.lostAt !== undefined && { lostAt: known.lostAt, error: { ...known.error } }) });
  return conclude(runtime, attempt, { outcome: "done", ...result }, { ...record, ...result });
}

/** An engine that keeps results keeps them without being asked, and answers more than it is asked for. */
function wantsResult({ options, store, queue }: Runtime, limits: MessageLimits): boolean {
  return queue.result !== undefined || (store !== undefined && (limits.rpc ?? options.rpc !== undefined));
}

function recordOf({ delivery, startedAt }: Attempt, ending: Pick<Ended, "status" | "error" | "lostAt">) {
  const { attempt: attempts, publishedAt } = delivery;
  return { ...ending, attempts, ...(publishedAt === undefined ? {} : { publishedAt }), startedAt, endedAt: clock.now(), host, pid: process.pid };
}

/** A message that was taken out before it started: whoever waits for it, anywhere, is answered. */
export async function keepCancelled(runtime: Runtime, id: string): Promise<void> {
  if (!runtime.store || runtime.queue.result) return;
  return keepOutcome(runtime, { id, queue: runtime.options.queue, ...cancelledNow() });
}

/** Its row: the message is gone, and its arguments with it. */
export async function recordCancelled(runtime: Runtime, id: string): Promise<void> {
  await recordRow(runtime, id, "", cancelledNow());
}

function cancelledNow() {
  return { status: "cancelled", attempts: 0, endedAt: clock.now(), host, pid: process.pid } as const;
}

/** Before the message is acknowledged: a crash between the two runs the task again rather than lose its answer. */
async function keepOutcome(runtime: Runtime, outcome: Outcome): Promise<void> {
  const { options, store, scope } = runtime;
  const ttlMs = Math.max(options.rpc?.ttlMs ?? 1_800_000, outcome.status === "done" ? (options.filter?.ttlMs ?? 0) : 0); // equal messages answer it
  const entry = { id: outcome.id, outcome: JSON.stringify(outcome), ttlMs };
  await insisting(runtime, async () => store?.results.put(scope, [entry]));
}
