/** One queue consumed in this process: an engine's consumer, slots, and the switches that hold it. */
import { clock, within } from "../base/clock.ts";
import { toError } from "../base/errors.ts";
import { points, tell } from "../base/events.ts";
import type { BrokerQueue, Consumer, Delivery } from "../contract/broker.ts";
import { createFilter, type Filter } from "../filter/on-run.ts";
import { limitsOf } from "../options/qps.ts";
import { checkConcurrency } from "../options/task-checks.ts";
import { holdAll } from "../queue/live-limits.ts";
import { watchLive } from "../queue/live-watch.ts";
import { newTally } from "../queue/tally.ts";
import { createRunner } from "../run/run.ts";
import type { RunHost } from "../run/task-run.ts";
import type { OpenTask } from "../setup/model.ts";
import { createSlots, type Slots } from "../slots/slots.ts";
import type { SlotsOptions } from "../slots/state.ts";
import { healthOf } from "../store/health.ts";
import { type Concurrency, createConcurrency } from "./concurrency.ts";
import { type ConsumerEvents, createConsumerEvents } from "./consumer-events.ts";
import type { ConsumerStatus } from "./consumers.ts";
import { startEachSecond } from "./each-second.ts";
import { createHoldReason, type Flags, type HoldReason } from "./hold-reason.ts";
import { createLeaseTrust, type LeaseTrust } from "./lease-trust.ts";
import { createStartRate } from "./start-rate.ts";
import { type Stopping, type StoppingConsumer, stopConsumer } from "./stop.ts";
import { createTrouble, type Trouble } from "./trouble.ts";
import { type Keeping, startUpkeep } from "./upkeep.ts";

const tooLate =
  "a run ended too late to count: its lease was lost, or its message removed; the task may run twice. Does it block the event loop for seconds?";
const full =
  "maxSuspended runs wait for other tasks: until one goes on only tasks pushed by these may start. Raise maxSuspended if they wait for others";
/** For a store that hangs. */
const tellMs = 1_000;

export interface RunningConsumer {
  pause(): void;
  resume(): void;
  setConcurrency(n: number): void;
  status(): ConsumerStatus;
  running(): number;
  suspended(): number;
  stop(stopping: Stopping): Promise<void>;
}

/** Starts consuming; resolves when connected. */
export async function startConsumer(task: OpenTask, concurrency: number): Promise<RunningConsumer> {
  const { options, queue } = task;
  const trouble = createTrouble(task.definition, task.log);
  const tally = newTally();
  const place: RunHost = {
    signalled: new Set(),
    cancelled: () => false,
    filter: undefined,
    tally,
    slowDown: async () => {},
  };
  const told = createConsumerEvents(whereOf(task));
  let engine: Consumer | undefined;
  const setWindow = (n: number) => {
    if (!engine) return;
    engine.setWindow(n);
    told.setWindow(n);
  };
  const pulse = createLeaseTrust(task.leaseMs);
  const slots = createSlots({ ...slotsOptions(task, concurrency, place, setWindow), overslept: pulse.overslept });
  const switches = createSwitches(slots, (await queue.paused?.()) ?? false);
  const { flags, set } = switches;
  const atOnce = createConcurrency(concurrency, slots.setLimit);
  const live = await followLive(task, { slots, place, atOnce }, trouble.report);
  engine = await queue.consume(...listeners(task, slots, trouble, told)).catch(async (error: unknown) => {
    await live.stop();
    throw error;
  });
  place.filter = filterOf(task, trouble.report); // nothing is fetched before the next line
  slots.refreshWindow();
  tell(points.ready, () => whereOf(task));
  switches.holding = createHoldReason(whereOf(task), {
    ...slots,
    flags,
    ...options,
    tally,
    pace: live.pace,
    held: () => engine?.status().held.length ?? 0,
  });
  const endDuties = startUpkeep(task, engine, trouble.report, onPaused(task, flags, set), heldBy(engine, slots, pulse));
  const endSeconds = startEachSecond(task, tally, slots.running, switches.holding, trouble.report);
  const unwatch = watchStore(task, (store) => set({ store }));
  const stopDuties = async () => {
    unwatch();
    await Promise.all([endDuties(), live.stop(), place.filter?.stop(), endSeconds()]);
  };
  return consumerOf(task, { slots, atOnce, engine, told, signalled: place.signalled, flags, set, stopDuties });
}

function createSwitches(slots: Slots, paused: boolean) {
  const flags: Flags = { here: false, queue: paused, store: false, closing: false };
  const switches = {
    flags,
    holding: (): HoldReason | undefined => undefined,
    set(change: Partial<Flags>) {
      Object.assign(flags, change);
      slots.setMode(flags.here || flags.queue || flags.store || flags.closing ? "closed" : "open");
      switches.holding();
    },
  };
  switches.set({});
  return switches;
}

/** What lies unstarted in lanes and slots. */
function heldBy(engine: Consumer, slots: Slots, pulse: LeaseTrust): Keeping {
  return {
    ...pulse,
    giveBack() {
      engine.setWindow(0);
      slots.pump();
      slots.refreshWindow();
    },
  };
}

function onPaused(task: OpenTask, flags: Readonly<Flags>, set: (change: Partial<Flags>) => void) {
  return (paused: boolean) => {
    if (paused !== flags.queue) tell(paused ? points.paused : points.resumed, () => whereOf(task));
    set({ queue: paused });
  };
}

function slotsOptions(task: OpenTask, limit: number, place: RunHost, setWindow: (n: number) => void): SlotsOptions {
  const { maxSuspended, prefetch, pool, queue } = task.options;
  const lookahead = Math.min(prefetch ?? limit * 2, task.queue.lookahead);
  const onFull = once(() => task.log.warn({ queue, maxSuspended }, full));
  return {
    limit,
    maxSuspended,
    lookahead,
    rate: undefined,
    pool,
    run: createRunner(task, place),
    setWindow,
    onFull,
  };
}

/** While the store is away nothing is fetched whose start it counts or whose end it keeps; the rest goes on. */
function watchStore({ options, queue, store }: OpenTask, onDown: (down: boolean) => void): () => void {
  const when = options.filter?.when;
  const keeps = (options.rpc || when === "published") && !queue.result;
  const needed = keeps || options.record || when === "done" || options.qpsScope === "global";
  if (!store || !needed) return () => {};
  const health = healthOf(store);
  if (health.down) onDown(true);
  return health.watch(onDown);
}

function filterOf(task: OpenTask, onError: (error: Error) => void): Filter | undefined {
  const { options, store } = task;
  return options.filter?.when === "done" && store
    ? createFilter(task, options.filter, store, (error) => onError(toError(error)))
    : undefined;
}

interface Live {
  readonly slots: Slots;
  readonly place: RunHost;
  readonly atOnce: Concurrency;
}

/** The code's own limits, and what is changed from outside while tasks run. */
async function followLive(task: OpenTask, { slots, place, atOnce }: Live, onError: (error: Error) => void) {
  const { limits } = task.options;
  const pace = createStartRate(task, slots, (error) => onError(toError(error)));
  pace.setLimits(limits);
  const live = await watchLive(
    task,
    {
      setQps(qps) {
        tell(points.limits, () => ({ ...whereOf(task), qps }));
        pace.setLimits(qps === undefined ? limits : limitsOf(qps));
      },
      setConcurrency(n) {
        const inForce = atOnce.setLive(n);
        tell(points.limits, () => ({ ...whereOf(task), concurrency: inForce }));
      },
      hold: pace.hold,
      switched: (to) => tell(points.notices, () => ({ ...whereOf(task), to })),
      cancel(id) {
        for (const run of place.signalled) if (run.taskId === id) run.cancel();
      },
    },
    (error) => onError(toError(error)),
  );
  place.cancelled = live.cancelled;
  place.slowDown = async (ms) => {
    pace.hold(ms);
    const told = holdAll(task, ms).catch((error: unknown) => onError(toError(error))); // the task is no worse for it
    await within(told, tellMs);
  };
  return { ...live, pace: pace.kind };
}

function whereOf({ options, brokerName }: OpenTask) {
  return { queue: options.queue, broker: brokerName };
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (!done) work();
    done = true;
  };
}

function listeners(
  { options, log, store, queue }: OpenTask,
  slots: Slots,
  trouble: Trouble,
  told: ConsumerEvents,
): Parameters<BrokerQueue["consume"]> {
  const handler = (delivery: Delivery) => {
    trouble.over();
    return told.handle(delivery, slots.handle);
  };
  const onSettled = (delivery: Delivery, how: "applied" | "stale") => {
    told.settled(delivery, how);
    if (how === "stale") log.warn({ queue: options.queue, taskId: delivery.id }, tooLate);
  };
  const onError = (error: Error) => {
    told.trouble(error);
    trouble.report(error);
  };
  const signal = store === undefined && queue.askToEnd !== undefined; // else the store tells of cancels
  return [handler, { signal, onSettled, onError }];
}

interface Parts extends StoppingConsumer {
  readonly told: ConsumerEvents;
  readonly atOnce: Concurrency;
  readonly flags: Readonly<Flags>;
  set(change: Partial<Flags>): void;
}

function consumerOf(task: OpenTask, parts: Parts): RunningConsumer {
  const { slots, atOnce, engine, flags, set } = parts;
  let closing: Promise<void> | undefined;
  return {
    pause: () => set({ here: true }),
    resume: () => set({ here: false }),
    setConcurrency: (n) => {
      checkConcurrency(n, "concurrency");
      atOnce.setOwn(n);
    },
    status: () => statusOf(task, slots, engine, flags.here || flags.queue),
    running: slots.running,
    suspended: slots.suspended,
    stop: (stopping) => (closing ??= closeTold(task, parts, stopping)),
  };
}

async function closeTold(task: OpenTask, parts: Parts, stopping: Stopping): Promise<void> {
  const from = clock.monotonic();
  tell(points.closing, () => whereOf(task));
  try {
    await stopConsumer(parts, stopping);
  } finally {
    parts.told.closed();
    tell(points.closed, () => ({
      ...whereOf(task),
      orphanedIds: parts.engine.status().held,
      elapsedMs: clock.monotonic() - from,
    }));
  }
}

function statusOf({ options }: OpenTask, slots: Slots, engine: Consumer, paused: boolean): ConsumerStatus {
  const { held, lastFetchAt } = engine.status();
  return {
    queue: options.queue,
    running: slots.running(),
    held: held.length,
    paused,
    sinceFetchMs: lastFetchAt === undefined ? undefined : clock.monotonic() - lastFetchAt,
  };
}
