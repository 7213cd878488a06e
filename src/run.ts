/** One delivery to one settlement: what must not start, the call, and its end. */
import { AsyncResource } from "node:async_hooks";
import { clock, sleep } from "./clock.ts";
import type { Run } from "./context.ts";
import type { Delivery, Settlement } from "./contract/broker.ts";
import { expiredReason } from "./controls/expiry.ts";
import { withTimeout } from "./controls/timeout.ts";
import type { AnyFunction } from "./definition.ts";
import { type Attempt, buried, decide, finish, succeed } from "./ending.ts";
import { FunboostError, isFunboostError, toError } from "./errors.ts";
import { shared } from "./global.ts";
import { childLogger, type Logger } from "./log.ts";
import { type Call, decodeBody, type MessageLimits } from "./message.ts";
import { count, insisting } from "./persist.ts";
import type { Runtime } from "./runtime.ts";
import type { Slot } from "./slot.ts";
import type { Ended } from "./slots.ts";

export type Runner = (delivery: Delivery, slot: Slot) => Promise<Ended>;

/** After a failure of our own (a bug, or a logger that throws) the message is tried again, never lost and never held. */
const brokenMs = 1_000;
const noLimits: MessageLimits = Object.freeze({});

// Engines call us in the async context of whoever connected or published first: a run must not see it.
const neutral = new AsyncResource("funboost:run");

/** `live` holds the controllers of runs that asked for their signal, so that a forced stop can abort them. */
export function createRunner(runtime: Runtime, live: Set<AbortController>): Runner {
  const { definition, options, log } = runtime;
  return async function run(delivery, slot) {
    try {
      const startedAt = clock.now();
      let call: Call;
      try {
        call = decodeBody(delivery.body, definition.signature, options.convert, delivery.publishedAt);
      } catch (error) {
        return { settlement: await bad(runtime, { delivery, limits: noLimits, startedAt }, toError(error)) };
      }
      const attempt: Attempt = { delivery, limits: call.limits, startedAt };
      const early = await beforeStart(runtime, attempt);
      if (early) return { settlement: early };
      return await execute(runtime, attempt, call, slot, live);
    } catch (error) {
      log.error({ queue: options.queue, taskId: delivery.id, error: toError(error) }, "a delivery could not be settled; it is tried again");
      return { settlement: { outcome: "postponed", delayMs: brokenMs } };
    }
  };
}

async function execute(runtime: Runtime, attempt: Attempt, call: Call, slot: Slot, live: Set<AbortController>): Promise<Ended> {
  const { definition, options } = runtime;
  const current = createRun(runtime, attempt.delivery, call, slot, live);
  const timeoutMs = call.limits.timeoutMs ?? options.timeoutMs;
  const work = neutral.runInAsyncScope(() => shared().runs.run(current, () => invoke(definition.fn as AnyFunction, call.args)));
  let returned: Promise<unknown> | undefined;
  try {
    const value = await (timeoutMs ? withTimeout(work, timeoutMs, current) : work);
    return { settlement: await succeed(runtime, attempt, value) };
  } catch (error) {
    if (current.stopped()) return { settlement: { outcome: "postponed", delayMs: 0 } }; // its process stops: no failure of the task
    if (isFunboostError(error) && error.code === "TIMEOUT") returned = lingering(work);
    return { settlement: await decide(runtime, attempt, toError(error), current.logger), returned };
  } finally {
    if (returned) void returned.then(current.end);
    else current.end();
    await forgetCrashes(runtime, attempt.delivery);
  }
}

async function invoke(fn: AnyFunction, args: readonly unknown[]): Promise<unknown> {
  return fn(...args);
}

/** After a timeout the slot stays taken until the function returns, at most 5 s. */
function lingering(work: Promise<unknown>): Promise<unknown> {
  return Promise.race([work.catch(() => {}), sleep(5_000, { unref: true })]);
}

/** A settlement for what must not start: not due yet, too old, or a danger to the process. */
async function beforeStart(runtime: Runtime, attempt: Attempt): Promise<Settlement | undefined> {
  const { options } = runtime;
  const { delivery, limits, startedAt } = attempt;
  const { etaMs } = limits;
  // Published elsewhere with a delay that its engine does not carry.
  if (etaMs !== undefined && etaMs > startedAt && delivery.attempt === 1) return { outcome: "postponed", delayMs: etaMs - startedAt };
  const reason = expiredReason(delivery, limits, options.expireAfterMs, startedAt);
  if (reason) return finish(runtime, attempt, "expired", new FunboostError("EXPIRED", reason, { where: options.queue }));
  if ((delivery.crashes ?? 0) >= 2 && (await crashedTooOften(runtime, delivery))) return crashed(runtime, attempt);
  return undefined;
}

interface OwnRun extends Run {
  /** True when it was told to end because its process stops. */
  stopped(): boolean;
  /** Whatever it left behind is no part of a task any more. */
  end(): void;
}

function createRun(runtime: Runtime, delivery: Delivery, call: Call, slot: Slot, live: Set<AbortController>): OwnRun {
  let controller: AbortController | undefined;
  let logger: Logger | undefined;
  const run: OwnRun = {
    taskId: delivery.id,
    queue: runtime.options.queue,
    attempt: delivery.attempt,
    args: call.args,
    message: call.body,
    publishedAt: delivery.publishedAt,
    headers: call.limits.headers ?? {},
    native: delivery.native,
    suspend: slot.suspend,
    ended: false,
    // Both made when first asked for: most tasks never do.
    get logger() {
      logger ??= childLogger(runtime.log, { queue: runtime.options.queue, taskId: delivery.id });
      return logger;
    },
    get controller() {
      controller ??= new AbortController();
      if (!run.ended) live.add(controller);
      return controller;
    },
    stopped: () => isFunboostError(controller?.signal.reason) && controller.signal.reason.code === "SHUT_DOWN",
    end() {
      run.ended = true;
      if (controller) live.delete(controller);
    },
  };
  return run;
}

function bad(runtime: Runtime, attempt: Attempt, error: Error): Promise<Settlement> {
  runtime.log.warn({ queue: runtime.options.queue, taskId: attempt.delivery.id, error: error.message }, "bad message, moved to the dead-letter queue");
  return buried(runtime, attempt, error);
}

/** Counts starts that have not ended, of a run that is alone in its process; true after too many. */
async function crashedTooOften(runtime: Runtime, delivery: Delivery): Promise<boolean> {
  const { options, store } = runtime;
  if (!store) return (delivery.crashes ?? 0) >= options.maxCrashes + 2;
  return (await count(runtime, crashKey(runtime, delivery))) > options.maxCrashes;
}

function crashed(runtime: Runtime, attempt: Attempt): Promise<Settlement> {
  const { options, log } = runtime;
  const text = `its process died ${options.maxCrashes} times while it ran alone (maxCrashes)`;
  log.warn({ queue: options.queue, taskId: attempt.delivery.id }, `task moved to the dead-letter queue: ${text}`);
  return buried(runtime, attempt, new FunboostError("CRASHED", text, { where: options.queue }));
}

/** This start has ended, well or not: it was no crash. */
async function forgetCrashes(runtime: Runtime, delivery: Delivery): Promise<void> {
  if ((delivery.crashes ?? 0) < 2) return;
  await insisting(runtime, async () => runtime.store?.delete([crashKey(runtime, delivery)]));
}

function crashKey({ scope }: Runtime, { id, publishedAt }: Delivery): string {
  return `alone:${encodeURIComponent(scope)}:${id}:${publishedAt ?? 0}`;
}
