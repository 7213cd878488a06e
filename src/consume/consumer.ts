/** One queue consumed in this process, in three steps: read what is set, consume, watch over. */
import { clock } from "../base/clock.ts";
import { points, tell } from "../base/events.ts";
import { checkConcurrency } from "../options/task-checks.ts";
import type { OpenTask } from "../setup/model.ts";
import { setBlockers, setQueuePaused, watchStore } from "./blockers.ts";
import type { ConsumerStatus, StopOptions } from "./consumers.ts";
import { createState } from "./create-state.ts";
import { startEachSecond } from "./each-second.ts";
import { followLive } from "./follow-live.ts";
import { createHoldReason } from "./hold-reason.ts";
import { listenersOf } from "./listeners.ts";
import type { ActiveConsumer, ConsumerOptions, ConsumerState } from "./state.ts";
import { stopConsumer, stopUpkeep } from "./stop.ts";
import { startUpkeep } from "./upkeep.ts";

export interface RunningConsumer {
  pause(): void;
  resume(): void;
  setConcurrency(n: number): void;
  status(): ConsumerStatus;
  running(): number;
  suspended(): number;
  /** Another task of its queue. */
  add(task: OpenTask): void;
  stop(options: StopOptions): Promise<boolean>;
}

/** Resolves when connected. */
export async function startConsumer(options: ConsumerOptions): Promise<RunningConsumer> {
  const state = createState(options);
  try {
    await readSettings(state);
    const active = await consumeQueue(state);
    watchOver(active);
    return consumerOf(active);
  } catch (error) {
    await stopUpkeep(state);
    await state.engine?.close({ force: true }).catch(() => {});
    throw error;
  }
}

/** Known, and in force, before the first fetch. */
async function readSettings(state: ConsumerState): Promise<void> {
  const { queue } = state.task;
  const queuePaused = (await queue.paused?.()) ?? false;
  if (queuePaused) await sayPaused(state.task);
  setBlockers(state, { queuePaused });
  await followLive(state);
}

/** Whoever has paused it may be long gone, and of another version. */
async function sayPaused({ queue, options, log }: ConsumerState["task"]): Promise<void> {
  const { ready } = (await queue.count?.().catch(() => undefined)) ?? {};
  const waiting = ready === undefined ? {} : { waiting: ready };
  log.warn({ queue: options.queue, ...waiting }, "the queue is paused: nothing runs until resume()");
}

async function consumeQueue(state: ConsumerState): Promise<ActiveConsumer> {
  const engine = await state.task.queue.consume(...listenersOf(state));
  const active = Object.assign(state, { engine });
  active.slots.refreshWindow(); // nothing is fetched before
  tell(points.ready, () => ({ ...state.where }));
  return active;
}

function watchOver(state: ActiveConsumer): void {
  const { task, where, slots, crew, startRate, blockers, engine, leaseTrust, trouble } = state;
  state.holdReason = createHoldReason(where, {
    blockers,
    pool: task.options.pool,
    maxSuspended: task.options.maxSuspended,
    tally: crew.tally,
    running: slots.running,
    suspended: slots.suspended,
    delivered: () => engine.status().held.length,
    rateControl: startRate.control,
  });
  const upkeep = startUpkeep({
    ...{ task, engine, leaseTrust },
    giveBack: () => giveBack(state),
    onPaused: (paused) => setQueuePaused(state, paused),
    onError: trouble.report,
  });
  state.upkeep.push(upkeep);
  state.upkeep.push(startEachSecond(state));
  state.upkeep.push(watchStore(state)); // may speak to the engine at once
}

/** What lies unstarted in lanes and slots. */
function giveBack({ engine, slots }: ActiveConsumer): void {
  engine.setWindow(0);
  slots.pump();
  slots.refreshWindow();
}

function consumerOf(state: ActiveConsumer): RunningConsumer {
  const { slots, concurrency } = state;
  let stopping: Promise<boolean> | undefined;
  return {
    pause: () => setBlockers(state, { pausedHere: true }),
    resume: () => setBlockers(state, { pausedHere: false }),
    setConcurrency(n) {
      checkConcurrency(n, "concurrency");
      concurrency.setOwn(n);
    },
    status: () => statusOf(state),
    running: slots.running,
    suspended: slots.suspended,
    add: state.crew.add,
    stop: (options) => (stopping ??= stopConsumer(state, options)),
  };
}

function statusOf({ task, slots, engine, blockers }: ActiveConsumer): ConsumerStatus {
  const { held, lastFetchAt } = engine.status();
  return {
    queue: task.options.queue,
    running: slots.running(),
    held: held.length,
    paused: blockers.pausedHere || blockers.queuePaused,
    sinceFetchMs: lastFetchAt === undefined ? undefined : clock.monotonic() - lastFetchAt,
  };
}
