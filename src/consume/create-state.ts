/** A consumer before it consumes: its parts, put together. */
import { within } from "../base/clock.ts";
import { holdAll } from "../queue/live-limits.ts";
import { lossesOf } from "../run/crashes.ts";
import type { OpenQueue } from "../setup/model.ts";
import { createSlots } from "../slots/slots.ts";
import type { SlotsOptions } from "../slots/state.ts";
import { trialLine } from "../slots/trial-line.ts";
import { createConcurrency } from "./concurrency.ts";
import { createConsumerEvents } from "./consumer-events.ts";
import { createCrew } from "./crew.ts";
import { createLeaseTrust } from "./lease-trust.ts";
import { createStartRate } from "./start-rate.ts";
import type { ConsumerOptions, ConsumerState } from "./state.ts";
import { createTrouble } from "./trouble.ts";

const allSuspended =
  "maxSuspended runs wait for other tasks: until one goes on only tasks pushed by these may start. " +
  "Raise maxSuspended if they wait for others";
/** For a store that hangs. */
const holdAllMs = 1_000;

export function createState({ tasks, concurrency }: ConsumerOptions): ConsumerState {
  const [task] = tasks;
  const where = { queue: task.options.queue, broker: task.brokerName };
  const trouble = createTrouble(task.definition, task.log);
  const leaseTrust = createLeaseTrust(task.leaseMs);
  const host = createHost(() => state);
  const crew = createCrew(tasks, host, trouble.report);
  const slots = createSlots({
    ...slotsOptions(task, concurrency),
    run: crew.run,
    trialLine: trialLine(),
    lossesOf: (delivery) => lossesOf(task, delivery),
    setWindow: (n) => setWindow(state, n),
    mayBeLost: leaseTrust.isOver,
  });
  const state: ConsumerState = {
    task,
    where,
    slots,
    host,
    crew,
    leaseTrust,
    trouble,
    concurrency: createConcurrency(concurrency, slots.setLimit),
    startRate: createStartRate(task, slots, trouble.report),
    blockers: { pausedHere: false, queuePaused: false, storeDown: false, closing: false },
    events: createConsumerEvents(where),
    live: undefined,
    engine: undefined,
    holdReason: undefined,
    upkeep: [async () => slots.leave(), () => state.startRate.end(), crew.stop],
  };
  return state;
}

/** Runs ask it when there is a state: nothing runs before it consumes. */
function createHost(state: () => ConsumerState): ConsumerState["host"] {
  return {
    signalled: new Set(),
    cancelled: (id, publishedAt, limits) => state().live?.cancelled(id, publishedAt, limits) ?? false,
    slowDown: (ms) => slowDown(state(), ms),
  };
}

function slotsOptions({ options, queue, log }: OpenQueue, limit: number): Omit<SlotsOptions, "run" | "setWindow"> {
  const { maxSuspended, prefetch, pool } = options;
  let warned = false;
  const onFull = () => {
    if (!warned) log.warn({ queue: options.queue, maxSuspended }, allSuspended);
    warned = true;
  };
  return {
    limit,
    maxSuspended,
    lookahead: Math.min(prefetch ?? limit * 2, queue.lookahead),
    rate: undefined,
    pool,
    onFull,
  };
}

/** Before it consumes there is nobody to tell: the window is sent again then. */
function setWindow({ engine, events }: ConsumerState, n: number): void {
  if (!engine) return;
  engine.setWindow(n);
  events.setWindow(n);
}

async function slowDown({ task, startRate, trouble }: ConsumerState, ms: number): Promise<void> {
  startRate.hold(ms);
  const telling = holdAll(task, ms).catch(trouble.report); // the task is no worse for it
  await within(telling, holdAllMs);
}
