/** One queue consumed in this process: an engine's consumer, slots, and how both end. */
import { clock, sleep, within } from "./clock.ts";
import type { ConsumerStatus } from "./consume.ts";
import type { BrokerQueue, Consumer, Delivery } from "./contract/broker.ts";
import { createFilter, type Filter } from "./controls/filter.ts";
import { startDuties } from "./duties.ts";
import { FunboostError, toError } from "./errors.ts";
import { points, tell } from "./events.ts";
import { holdAll, watchLive } from "./live.ts";
import { createPace } from "./pace.ts";
import { checkConcurrency } from "./param-checks.ts";
import { limitsOf } from "./qps.ts";
import { createRunner } from "./run.ts";
import type { Runtime } from "./runtime.ts";
import { createSlots, type Slots } from "./slots.ts";
import { startStats } from "./stats.ts";
import type { Place } from "./task-run.ts";
import { createTrouble, type Trouble } from "./trouble.ts";

const tooLate = "a run ended too late to count: its lease was lost, or its message removed; the task may run twice. Does it block the event loop for seconds?";
const full = "maxSuspended runs wait for other tasks: until one goes on only tasks pushed by these may start. Raise maxSuspended if they wait for others";
const tickMs = 50;
/** For runs to end after their signals aborted. */
const abortedMs = 1_000;
const dutiesMs = 1_000;

export interface Stopping {
  readonly graceMs: number;
  /** What runs in consumers that stop together with this one: their children may be in this queue. */
  readonly others: { running(): number; suspended(): number };
}

export interface RunningConsumer {
  pause(): void;
  resume(): void;
  setConcurrency(n: number): void;
  status(): ConsumerStatus;
  running(): number;
  suspended(): number;
  stop(stopping: Stopping): Promise<void>;
}

/** What may keep a consumer from starting runs. */
interface Flags {
  here: boolean;
  queue: boolean;
  closing: boolean;
}

/** Starts consuming; resolves when connected. */
export async function startConsumer(runtime: Runtime, concurrency: number): Promise<RunningConsumer> {
  const { options, queue } = runtime;
  const trouble = createTrouble(runtime.definition, runtime.log);
  const place: Place = {
    signalled: new Set(),
    cancelled: () => false,
    filter: undefined,
    tally: { ran: 0, failed: 0, ms: 0 },
    slowDown: async () => {},
  };
  let engine: Consumer | undefined;
  const slots = createSlots({
    limit: concurrency,
    maxSuspended: options.maxSuspended,
    lookahead: Math.min(options.prefetch ?? concurrency * 2, queue.lookahead),
    rate: undefined,
    pool: options.pool,
    run: createRunner(runtime, place),
    setWindow: (n) => engine?.setWindow(n),
    onFull: once(() => runtime.log.warn({ queue: options.queue, maxSuspended: options.maxSuspended }, full)),
  });
  const flags: Flags = { here: false, queue: (await queue.paused?.()) ?? false, closing: false };
  const set = (change: Partial<Flags>) => {
    Object.assign(flags, change);
    slots.setMode(flags.here || flags.queue || flags.closing ? "closed" : "open");
  };
  set({});
  const live = await followLive(runtime, { slots, place, concurrency }, trouble.report);
  engine = await queue.consume(...listeners(runtime, slots, trouble)).catch(async (error: unknown) => {
    await live.stop();
    throw error;
  });
  place.filter = filterOf(runtime, trouble.report); // nothing is fetched before the next line
  slots.refreshWindow();
  tell(points.ready, () => whereOf(runtime));
  const endDuties = startDuties(runtime, engine, trouble.report, (paused) => {
    if (paused !== flags.queue) tell(paused ? points.paused : points.resumed, () => whereOf(runtime));
    set({ queue: paused });
  });
  const stopStats = startStats(runtime, place.tally, (error) => trouble.report(toError(error)));
  const stopDuties = async () => void (await Promise.all([endDuties(), live.stop(), place.filter?.stop(), stopStats()]));
  return consumerOf(runtime, { slots, engine, signalled: place.signalled, flags, set, stopDuties });
}

function filterOf(runtime: Runtime, onError: (error: Error) => void): Filter | undefined {
  const { options, store } = runtime;
  return options.filter?.when === "done" && store ? createFilter(runtime, options.filter, store, (error) => onError(toError(error))) : undefined;
}

interface Live {
  readonly slots: Slots;
  readonly place: Place;
  readonly concurrency: number;
}

/** The code's own limits, and what is changed from outside while tasks run. */
async function followLive(runtime: Runtime, { slots, place, concurrency }: Live, onError: (error: Error) => void) {
  const { limits, queue } = runtime.options;
  const pace = createPace(runtime, slots, (error) => onError(toError(error)));
  pace.setLimits(limits);
  const live = await watchLive(
    runtime,
    {
      setQps(qps) {
        tell(points.limits, () => ({ ...whereOf(runtime), qps }));
        pace.setLimits(qps === undefined ? limits : limitsOf(qps));
      },
      setConcurrency(n) {
        tell(points.limits, () => ({ ...whereOf(runtime), concurrency: n ?? concurrency }));
        slots.setLimit(n ?? concurrency);
      },
      hold: pace.hold,
      cancel(id) {
        for (const run of place.signalled)
          if (run.taskId === id) run.controller.abort(new FunboostError("CANCELLED", "the task was cancelled.", { where: queue }));
      },
    },
    (error) => onError(toError(error)),
  );
  place.cancelled = live.cancelled;
  place.slowDown = async (ms) => {
    pace.hold(ms);
    await holdAll(runtime, ms).catch((error: unknown) => onError(toError(error))); // the task is no worse for it
  };
  return live;
}

function whereOf({ options, brokerName }: Runtime) {
  return { queue: options.queue, broker: brokerName };
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (!done) work();
    done = true;
  };
}

function listeners(runtime: Runtime, slots: Slots, trouble: Trouble): Parameters<BrokerQueue["consume"]> {
  const { options, log } = runtime;
  const handler = (delivery: Delivery) => {
    trouble.over();
    return slots.handle(delivery);
  };
  const onSettled = (delivery: Delivery, how: "applied" | "stale") => {
    if (points.settle.hasSubscribers) tell(points.settle, () => ({ ...whereOf(runtime), taskId: delivery.id, attempt: delivery.attempt, outcome: how }));
    if (how === "stale") log.warn({ queue: options.queue, taskId: delivery.id }, tooLate);
  };
  return [handler, { signal: false, onSettled, onError: trouble.report }];
}

interface Parts {
  readonly slots: Slots;
  readonly engine: Consumer;
  readonly signalled: Place["signalled"];
  readonly flags: Readonly<Flags>;
  set(change: Partial<Flags>): void;
  stopDuties(): Promise<void>;
}

function consumerOf(runtime: Runtime, parts: Parts): RunningConsumer {
  const { slots, engine, flags, set } = parts;
  let closing: Promise<void> | undefined;
  return {
    pause: () => set({ here: true }),
    resume: () => set({ here: false }),
    setConcurrency: (n) => {
      checkConcurrency(n, "concurrency");
      slots.setLimit(n);
    },
    status: () => statusOf(runtime, slots, engine, flags.here || flags.queue),
    running: slots.running,
    suspended: slots.suspended,
    stop: (stopping) => (closing ??= closeTold(runtime, parts, stopping)),
  };
}

async function closeTold(runtime: Runtime, parts: Parts, stopping: Stopping): Promise<void> {
  const from = clock.monotonic();
  tell(points.closing, () => whereOf(runtime));
  await finish(parts, stopping);
  tell(points.closed, () => ({ ...whereOf(runtime), orphanedIds: parts.engine.status().held, elapsedMs: clock.monotonic() - from }));
}

async function finish(parts: Parts, { graceMs, others }: Stopping): Promise<void> {
  const { slots, engine, set, stopDuties } = parts;
  set({ closing: true });
  engine.setWindow(0);
  const endsAt = clock.monotonic() + graceMs;
  try {
    await untilIdle(slots, others, endsAt);
    set({}); // closed, also for children
    await drain(parts, Math.max(0, endsAt - clock.monotonic()));
  } finally {
    await within(stopDuties(), dutiesMs); // a server that hangs must not hold us: leases end by themselves
  }
}

/** While a run waits for a child, children may start: a pipeline ends instead of being cut in the middle. */
async function untilIdle(slots: Slots, others: Stopping["others"], endsAt: number): Promise<void> {
  while ((slots.running() > 0 || others.running() > 0) && clock.monotonic() < endsAt) {
    slots.setMode(slots.suspended() + others.suspended() > 0 ? "children" : "closed");
    const tick = sleep(Math.min(tickMs, endsAt - clock.monotonic()));
    await (slots.running() > 0 ? Promise.race([slots.idle(), tick]) : tick);
  }
}

function statusOf({ options }: Runtime, slots: Slots, engine: Consumer, paused: boolean): ConsumerStatus {
  const { held, lastFetchAt } = engine.status();
  return {
    queue: options.queue,
    running: slots.running(),
    held: held.length,
    paused,
    sinceFetchMs: lastFetchAt === undefined ? undefined : clock.monotonic() - lastFetchAt,
  };
}

/** What still runs after the grace time: its signals abort, and a run that does not end by that is left to be redelivered. */
async function drain({ slots, engine, signalled }: Parts, graceMs: number): Promise<void> {
  const settled = slots.idle().then(() => engine.close());
  if (await within(settled, graceMs)) return;
  for (const { controller } of signalled) controller.abort(new FunboostError("SHUT_DOWN", "the process stops"));
  if (await within(settled, abortedMs)) return;
  await engine.close({ force: true });
}
