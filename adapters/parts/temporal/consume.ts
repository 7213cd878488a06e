/** The consuming half of the Temporal adapter: polls for activities, its window, and what becomes of each task that comes. */
import { sleep } from "../../../src/clock.ts";
import type { ConsumeOptions, Consumer, Handler, Settlement } from "../../../src/contract/index.ts";
import { missingPeer } from "../../shared/missing-peer.ts";
import type { BundleOption } from "./bundle.ts";
import { now, pauseMs } from "./client.ts";
import { makeClose } from "./close.ts";
import { type Fate, type Fates, firstFate, isFresh, makeFates } from "./fate.ts";
import { beat, beatAll, type Held, isOpen, makeFasterBeats, makeState, type Parts, roomIn, tellWatchers, until } from "./held.ts";
import { type Native, useNative } from "./native.ts";
import { useOrchestrator, type WorkerPeer } from "./orchestrator.ts";
import { makeAsk, makePolls } from "./polls.ts";
import type { PollAnswer } from "./protocol.ts";
import type { TemporalQueue } from "./publish.ts";
import { makeSettler } from "./settle.ts";
import { type Task, toDelivery, toTask, traceOf } from "./task.ts";

export interface ConsumeSetup {
  readonly queue: TemporalQueue;
  /** Temporal's own limit for this task queue, over all that poll it. */
  readonly perSecond: number | undefined;
  readonly bundle: BundleOption | undefined;
}

/** Consumes one queue. Nothing is fetched until `setWindow`. */
export async function consumeQueue(setup: ConsumeSetup, handler: Handler, options: ConsumeOptions): Promise<Consumer> {
  const { queue, perSecond } = setup;
  const peer = await loadWorker();
  const state = makeState();
  const report = (error: unknown) => void (state.phase === "forced" || state.stop.signal.aborted || options.onError(queue.client.explain(error)));
  const native = await reserve(peer, setup, report);
  const fates = makeFates(queue.client);
  const service = native.connection.workflowService;
  const parts: Parts = { queue, state, service, settler: makeSettler(queue.client, service, fates, report), options, report };
  const polls = makePolls({
    ask: makeAsk(native, queue, perSecond),
    room: () => roomIn(state),
    onTask: makeTake(parts, fates, handler),
    onError: report,
    onPoll: () => (state.lastFetchAt = now()),
    stop: state.stop.signal,
  });
  state.watchers.add(polls.fill);
  return consumerOf(parts, makeClose(parts, polls, native.release));
}

/** The native connection and, where messages may be workflows, somebody who carries these forward. */
async function reserve(peer: WorkerPeer, { queue, bundle }: ConsumeSetup, onError: (error: unknown) => void): Promise<Native> {
  const { target, identity, explain } = queue.client;
  try {
    const native = await useNative(peer, target);
    if (queue.mode === "activity") return native;
    const options = { target, identity, taskQueue: queue.orchestrator, bundle };
    const stop = await useOrchestrator(peer, options, onError).catch(async (error: unknown) => {
      await native.release();
      throw error;
    });
    return { ...native, release: async () => void (await Promise.all([native.release(), stop()])) };
  } catch (error) {
    throw explain(error);
  }
}

type Take = (answer: PollAnswer) => void;

function makeTake(parts: Parts, fates: Fates, handler: Handler): Take {
  const { state, settler, options, queue, report } = parts;
  const beatFaster = makeFasterBeats(parts);
  function hand(task: Task, fate: Fate, controller = options.signal ? new AbortController() : undefined): void {
    const delivery = toDelivery(queue.queue, task, fate, controller?.signal);
    const entry: Held = { delivery, task, fate, since: now(), controller };
    state.held.set(delivery, entry);
    beatFaster(task.leaseMs);
    void handler(delivery).then((settlement) => settle(parts, entry, settlement));
  }
  async function arrive(task: Task): Promise<void> {
    const fate = await insisting(() => fates.of(task), parts);
    if (!fate) return; // its lease ends
    const controller = options.signal ? new AbortController() : undefined;
    // Says its fate before anything can happen to it. A failed beat is no harm: the next one tells of trouble.
    if (!isFresh(fate)) await beat(parts, { task, fate, controller }).catch(() => {});
    if (task.isLast) await keep(parts, { task, fate, controller });
    if (isOpen(state)) hand(task, fate, controller);
    else await settler.giveBack({ task, fate }).catch(report);
  }
  return (answer) => {
    const task = toTask(answer);
    state.lastArrivalAt = now();
    // The first delivery has no history to ask for: nothing to wait for.
    if (task.deliveries === 1 && isOpen(state)) return hand(task, firstFate(task));
    const arriving = arrive(task).finally(() => {
      state.arriving.delete(arriving);
      tellWatchers(state);
    });
    state.arriving.add(arriving);
  };
}

/** What cannot be given back waits here for the window to open, its lease renewed. */
async function keep(parts: Parts, entry: Pick<Held, "task" | "fate" | "controller">): Promise<void> {
  const { state, report } = parts;
  const { leaseMs } = entry.task;
  const beats = leaseMs === undefined ? undefined : setInterval(() => void beat(parts, entry).catch(report), leaseMs / 4).unref();
  await until(state, () => isOpen(state) || state.phase !== "open");
  clearInterval(beats);
}

async function insisting<T>(work: () => Promise<T> | T, { state, report }: Parts): Promise<T | undefined> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      report(error);
      if (state.stop.signal.aborted) return undefined;
      await sleep(pauseMs(tries), { signal: state.stop.signal, unref: true });
    }
  }
}

async function settle({ state, settler, options, queue }: Parts, entry: Held, settlement: Settlement): Promise<void> {
  const { delivery, task } = entry;
  const applied = state.phase !== "forced" && (await settler.settle(entry, settlement, state.forced.signal));
  if (!state.held.delete(delivery)) return options.onSettled(delivery, "stale"); // given back by force
  if (settlement.outcome === "done" || settlement.outcome === "failed") queue.recent.ended = traceOf(task, now());
  options.onSettled(delivery, applied ? "applied" : "stale");
  tellWatchers(state);
}

function consumerOf(parts: Parts, close: Consumer["close"]): Consumer {
  const { state, queue } = parts;
  return {
    setWindow(n) {
      if (state.phase !== "open") return;
      state.window = n;
      tellWatchers(state);
    },
    renew: () => beatAll(parts, queue.leaseMs),
    status: () => ({
      held: Array.from(state.held.keys(), ({ id }) => id),
      ...(state.lastFetchAt === undefined ? {} : { lastFetchAt: state.lastFetchAt }),
    }),
    close,
  };
}

async function loadWorker(): Promise<WorkerPeer> {
  try {
    return await import("@temporalio/worker");
  } catch (cause) {
    throw missingPeer("temporal", "@temporalio/worker", cause);
  }
}
