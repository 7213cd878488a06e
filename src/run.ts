/** One delivery to one settlement: expiry, the call, the decision. */
import { hostname } from "node:os";
import { backoffMs } from "./backoff.ts";
import { clock, sleep } from "./clock.ts";
import type { Run } from "./context.ts";
import type { Delivery, Settlement } from "./contract/broker.ts";
import { expiredReason } from "./controls/expiry.ts";
import { withTimeout } from "./controls/timeout.ts";
import { toDeadLetters } from "./dead-letter.ts";
import type { AnyFunction } from "./definition.ts";
import { durationMs } from "./duration.ts";
import { type FinalStatus, FunboostError, isFunboostError, type RequeueError, type RetryError, serializeError, toError } from "./errors.ts";
import { shared } from "./global.ts";
import { findUncarriable } from "./json.ts";
import { childLogger, type Logger } from "./log.ts";
import { type Call, decodeBody, type MessageLimits } from "./message.ts";
import type { Outcome } from "./outcome.ts";
import type { Runtime } from "./runtime.ts";
import type { Ended, Slot } from "./slots.ts";

export type Runner = (delivery: Delivery, slot: Slot) => Promise<Ended>;

const host = hostname();
const noLimits: MessageLimits = Object.freeze({});
/** Between a requeue and the next try, when the task does not say: a lone message must not spin. */
const requeueMs = 100;

/** Everything about one delivery that the decision needs. */
interface Attempt {
  readonly delivery: Delivery;
  readonly limits: MessageLimits;
  readonly startedAt: number;
}

/** `live` holds the controllers of runs that asked for their signal, so that a forced stop can abort them. */
export function createRunner(runtime: Runtime, live: Set<AbortController>): Runner {
  const { definition, options } = runtime;
  const fn = definition.fn as AnyFunction;
  const { runs } = shared();

  return async function run(delivery, slot) {
    const startedAt = clock.now();
    let call: Call;
    try {
      call = decodeBody(delivery.body, definition.signature, options.convert, delivery.publishedAt);
    } catch (error) {
      return { settlement: await bad(runtime, delivery, toError(error), startedAt) };
    }
    const attempt: Attempt = { delivery, limits: call.limits, startedAt };
    const late = lateness(attempt, runtime, startedAt);
    if (late) return { settlement: late.outcome === "postponed" ? late : await finish(runtime, attempt, "expired", late.error) };
    if ((delivery.crashes ?? 0) >= 2 && (await crashedTooOften(runtime, delivery))) {
      return { settlement: await crashed(runtime, attempt) };
    }
    const current = createRun(runtime, delivery, call, slot, live);
    const timeoutMs = call.limits.timeoutMs ?? options.timeoutMs;
    const work = runs.run(current, () => invoke(fn, call.args));
    try {
      const value = await (timeoutMs ? withTimeout(work, timeoutMs, current) : work);
      return { settlement: await done(runtime, attempt, value) };
    } catch (error) {
      const settlement = await failed(runtime, attempt, toError(error), current.logger);
      return { settlement, returned: isFunboostError(error) && error.code === "TIMEOUT" ? lingering(work) : undefined };
    } finally {
      current.dispose();
    }
  };
}

async function invoke(fn: AnyFunction, args: readonly unknown[]): Promise<unknown> {
  return fn(...args);
}

/** After a timeout the slot stays taken until the function returns, at most 5 s. */
function lingering(work: Promise<unknown>): Promise<unknown> {
  return Promise.race([work.catch(() => {}), sleep(5_000, { unref: true })]);
}

function lateness({ delivery, limits }: Attempt, { options }: Runtime, now: number): Extract<Settlement, { outcome: "postponed" | "failed" }> | undefined {
  if (limits !== noLimits && limits.etaMs !== undefined && limits.etaMs > now && delivery.attempt === 1) {
    return { outcome: "postponed", delayMs: limits.etaMs - now }; // published elsewhere with a delay that its engine does not carry
  }
  const reason = expiredReason(delivery, limits, options.expireAfterMs, now);
  return reason ? { outcome: "failed", error: new FunboostError("EXPIRED", reason, { where: options.queue }) } : undefined;
}

function createRun(runtime: Runtime, delivery: Delivery, call: Call, slot: Slot, live: Set<AbortController>): Run & { dispose(): void } {
  let controller: AbortController | undefined;
  let logger: Logger | undefined;
  return {
    taskId: delivery.id,
    queue: runtime.options.queue,
    attempt: delivery.attempt,
    args: call.args,
    message: call.body,
    publishedAt: delivery.publishedAt,
    headers: call.limits.headers ?? {},
    native: delivery.native,
    suspend: slot.suspend,
    // Both made when first asked for: most tasks never do.
    get logger() {
      logger ??= childLogger(runtime.log, { queue: runtime.options.queue, taskId: delivery.id });
      return logger;
    },
    get controller() {
      if (!controller) {
        controller = new AbortController();
        live.add(controller);
      }
      return controller;
    },
    dispose() {
      if (controller) live.delete(controller);
    },
  };
}

async function done(runtime: Runtime, attempt: Attempt, value: unknown): Promise<Settlement> {
  const lost = value === undefined || value === null ? undefined : findUncarriable(value, "result");
  if (wantsResult(runtime, attempt.limits)) {
    const error = lost && serializeError(new FunboostError("RESULT", `${lost.path} is ${lost.what}.`));
    await keep(runtime, attempt, { status: "done", ...(lost ? { lostAt: lost.path } : { result: value }), ...(error ? { error } : {}) });
  }
  await forget(runtime, attempt.delivery);
  return lost || value === undefined ? { outcome: "done" } : { outcome: "done", result: value };
}

async function failed(runtime: Runtime, attempt: Attempt, error: Error, logger: Logger): Promise<Settlement> {
  const { options } = runtime;
  const { delivery, limits } = attempt;
  const code = isFunboostError(error) ? error.code : undefined;
  if (code === "REQUEUE") return requeue(runtime, attempt, error as RequeueError);
  const maxRetries = limits.maxRetries ?? options.maxRetries;
  if (code !== "FATAL" && code !== "DEAD_LETTER" && delivery.attempt <= maxRetries) {
    const delayMs = retryDelayMs(runtime, delivery, error);
    logger.info({ attempt: delivery.attempt, delayMs, error }, "task failed, will retry");
    return { outcome: "retry", error, delayMs };
  }
  const dead = code === "DEAD_LETTER" || (code !== "FATAL" && options.deadLetter !== undefined);
  logger.warn({ attempt: delivery.attempt, error }, dead ? "task failed for good, moved to the dead-letter queue" : "task failed for good");
  return dead ? buried(runtime, attempt, error) : finish(runtime, attempt, "failed", error);
}

function retryDelayMs({ options }: Runtime, delivery: Delivery, error: Error): number {
  const after = isFunboostError(error) && error.code === "RETRY" ? (error as RetryError).after : undefined;
  return after === undefined ? backoffMs(options.backoff, delivery.attempt) : durationMs(after, "after");
}

async function requeue(runtime: Runtime, attempt: Attempt, error: RequeueError): Promise<Settlement> {
  const { delivery } = attempt;
  const times = await count(runtime, `requeues:${runtime.options.queue}:${delivery.id}`);
  if (times > runtime.options.maxRequeues) {
    return buried(runtime, attempt, new FunboostError("DEAD_LETTER", `requeued ${runtime.options.maxRequeues} times (maxRequeues)`, { cause: error }));
  }
  return { outcome: "postponed", delayMs: error.after === undefined ? requeueMs : durationMs(error.after, "after") };
}

/** Final and in the dead-letter queue: first the copy, then the end, so that nothing is lost between the two. */
async function buried(runtime: Runtime, attempt: Attempt, error: Error): Promise<Settlement> {
  const published = await toDeadLetters(runtime, attempt.delivery, error);
  return published ? finish(runtime, attempt, "dead", error) : { outcome: "postponed", delayMs: 1_000 };
}

async function bad(runtime: Runtime, delivery: Delivery, error: Error, startedAt: number): Promise<Settlement> {
  runtime.log.warn({ queue: runtime.options.queue, taskId: delivery.id, error: error.message }, "bad message, moved to the dead-letter queue");
  return buried(runtime, { delivery, limits: noLimits, startedAt }, error);
}

async function finish(runtime: Runtime, attempt: Attempt, status: FinalStatus, error: Error): Promise<Settlement> {
  if (wantsResult(runtime, attempt.limits)) await keep(runtime, attempt, { status, error: serializeError(error) });
  await forget(runtime, attempt.delivery);
  return { outcome: "failed", error };
}

function wantsResult({ options, store }: Runtime, limits: MessageLimits): boolean {
  return store !== undefined && (limits.rpc ?? options.rpc !== undefined);
}

type Ending = Pick<Outcome, "status" | "result" | "error" | "lostAt">;

/** Kept before the message is acknowledged: a crash between the two runs the task again rather than lose its answer. */
async function keep(runtime: Runtime, { delivery, startedAt }: Attempt, ending: Ending): Promise<void> {
  const { options, store } = runtime;
  const { id, attempt: attempts, publishedAt } = delivery;
  const outcome: Outcome = {
    id,
    queue: options.queue,
    ...ending,
    attempts,
    startedAt,
    endedAt: clock.now(),
    host,
    pid: process.pid,
    ...(publishedAt === undefined ? {} : { publishedAt }),
  };
  const entry = { id, outcome: JSON.stringify(outcome), ttlMs: options.rpc?.ttlMs ?? 1_800_000 };
  await insisting(runtime, async () => store?.results.put(options.queue, [entry]));
}

/** Tries again until it works: the message stays ours, so a store that is down holds the run, and nothing is lost. */
async function insisting<T>({ log, options }: Runtime, work: () => Promise<T>): Promise<T> {
  for (let pauseMs = 100, said = false; ; pauseMs = Math.min(pauseMs * 2, 5_000)) {
    try {
      return await work();
    } catch (error) {
      if (!said) log.error({ queue: options.queue, error }, "the store does not answer; trying again until it does");
      said = true;
      await sleep(pauseMs);
    }
  }
}

const dayMs = 86_400_000;

/** A counter that outlives the process where there is a store. */
async function count(runtime: Runtime, key: string): Promise<number> {
  const { store } = runtime;
  if (!store) return localCount(key);
  const [value] = await insisting(runtime, () => store.increment([{ key, by: 1, ttlMs: dayMs }]));
  return value ?? 1;
}

const localCounts = new Map<string, number>();

function localCount(key: string): number {
  const value = (localCounts.get(key) ?? 0) + 1;
  localCounts.set(key, value);
  return value;
}

/** Counts starts of a run that is alone in its process; true when it has crashed so too often. */
async function crashedTooOften(runtime: Runtime, delivery: Delivery): Promise<boolean> {
  const { options, store } = runtime;
  if (!store) return (delivery.crashes ?? 0) >= options.maxCrashes + 2;
  return (await count(runtime, `alone:${options.queue}:${delivery.id}`)) > options.maxCrashes;
}

function crashed(runtime: Runtime, attempt: Attempt): Promise<Settlement> {
  const { options } = runtime;
  const text = `its process died ${options.maxCrashes} times while it ran alone (maxCrashes)`;
  runtime.log.warn({ queue: options.queue, taskId: attempt.delivery.id }, `task moved to the dead-letter queue: ${text}`);
  return buried(runtime, attempt, new FunboostError("CRASHED", text, { where: options.queue }));
}

/** Counters of a message that has ended. Only those that crashed or were requeued have any. */
async function forget({ options, store }: Runtime, { id, crashes }: Delivery): Promise<void> {
  localCounts.delete(`requeues:${options.queue}:${id}`);
  if ((crashes ?? 0) < 2) return;
  await store?.delete([`alone:${options.queue}:${id}`]).catch(() => {}); // it expires by itself
}
