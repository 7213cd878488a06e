/** The consuming half of the Temporal adapter: one activity worker for the queue, its window, and what becomes of each task that it is given. */
import { AsyncResource } from "node:async_hooks";
import type { Info } from "@temporalio/activity";
import type { Worker, WorkerOptions } from "@temporalio/worker";
import { sleep } from "../../../src/clock.ts";
import type { ConsumeOptions, Consumer, Delivery, Handler, Settlement } from "../../../src/contract/index.ts";
import { missingPeer } from "../../shared/missing-peer.ts";
import type { BundleOption } from "./bundle.ts";
import { now, pauseMs } from "./client.ts";
import { makeClose } from "./close.ts";
import { type Fate, type Fates, isFresh, makeFates } from "./fate.ts";
import { beat, beatAll, type Held, makeFasterBeats, makeState, type Parts } from "./held.ts";
import { keepRunning, type Native, useNative, useOrchestrator, type WorkerPeer } from "./native.ts";
import { fromEnvelope, prefixOf } from "./protocol.ts";
import type { TemporalQueue, Trace } from "./publish.ts";
import { makeSettler } from "./settle.ts";
import { activityTuner, makeSlots } from "./slots.ts";

type ActivityPeer = Pick<typeof import("@temporalio/activity"), "CompleteAsyncError" | "Context">;

/** What a task may set for its Worker; the rest is the adapter's. */
export type OwnWorkerOptions = Partial<
  Omit<WorkerOptions, "connection" | "namespace" | "taskQueue" | "identity" | "activities" | "tuner" | "workflowBundle" | "workflowsPath">
>;

export interface ConsumeSetup {
  readonly queue: TemporalQueue;
  readonly own: OwnWorkerOptions;
  readonly bundle: BundleOption | undefined;
}

/** Polls at once, while there is room for as many: a slot is given in our thread, which Temporal's default of 5 would wait for. */
const pollers = { type: "simple-maximum", maximum: 10 } as const;

// The worker calls us in the async context of one activity: a delivery must not see it.
const neutral = new AsyncResource("funboost.temporal");

/** Consumes one queue. Nothing is fetched until `setWindow`. */
export async function consumeQueue(setup: ConsumeSetup, handler: Handler, options: ConsumeOptions): Promise<Consumer> {
  const { queue } = setup;
  const peers = await loadPeers();
  const state = makeState();
  const report = (error: unknown) => void (state.phase === "forced" || options.onError(queue.client.explain(error)));
  const { native, release } = await reserve(peers.worker, setup, report);
  try {
    const fates = makeFates(queue.client);
    const service = native.connection.workflowService;
    const parts: Parts = { queue, state, service, settler: makeSettler(queue.client, service, fates, report), options, report };
    const make = () => createWorker(peers, setup, native, parts, makeTake(parts, fates, handler));
    const first = await make();
    const down = neutral.runInAsyncScope(() => keepRunning(first, make, state.stop.signal, report));
    const running = down.then(async () => void (await Promise.all(state.arriving))).finally(release);
    return consumerOf(parts, makeClose(parts, running));
  } catch (error) {
    await release();
    throw queue.client.explain(error);
  }
}

/** The native connection and, where messages may be workflows, somebody who carries these forward. */
async function reserve(peer: WorkerPeer, { queue, bundle }: ConsumeSetup, onError: (error: unknown) => void) {
  const { target, identity, explain } = queue.client;
  try {
    const native = await useNative(peer, target, queue.queue);
    if (queue.mode === "activity") return { native, release: native.release };
    const options = { target, identity, taskQueue: queue.orchestrator, bundle, onError };
    const stop = await useOrchestrator(peer, options).catch(async (error: unknown) => {
      await native.release();
      throw error;
    });
    return { native, release: async () => void (await Promise.all([native.release(), stop()])) };
  } catch (error) {
    throw explain(error);
  }
}

type Take = (info: Info, args: readonly unknown[]) => void;

async function createWorker({ worker, activity }: Peers, setup: ConsumeSetup, { connection }: Native, { state }: Parts, take: Take): Promise<Worker> {
  const { client, queue } = setup.queue;
  const slots = makeSlots(
    () => (state.phase === "open" ? state.window - state.held.size - state.arriving.size : 0),
    () => (state.lastFetchAt = now()),
  );
  const made = await worker.Worker.create({
    activityTaskPollerBehavior: pollers,
    ...setup.own,
    connection,
    namespace: client.target.namespace,
    taskQueue: queue,
    identity: client.identity,
    tuner: activityTuner(slots),
    activities: {
      // At once "to be completed elsewhere": so its end is ours, with the server's own answer, and stopping the worker cancels nothing.
      default: (...args: unknown[]) => {
        take(activity.Context.current().info, args);
        throw new activity.CompleteAsyncError();
      },
    },
  });
  state.slots = slots;
  return made;
}

function makeTake(parts: Parts, fates: Fates, handler: Handler): Take {
  const { state, settler, options, queue, report } = parts;
  const beatFaster = makeFasterBeats(parts);
  async function arrive(info: Info, args: readonly unknown[]): Promise<void> {
    const fate = await insisting(() => fates.of(info, args), parts);
    if (!fate) return; // its lease ends
    const controller = options.signal ? new AbortController() : undefined;
    // Says its fate before anything can happen to it. A failed beat is no harm: the next one tells of trouble.
    if (!isFresh(fate)) await beat(parts, { info, fate, controller }).catch(() => {});
    if (state.phase !== "open" || state.window === 0) return settler.giveBack({ info, fate }).catch(report);
    const delivery = toDelivery(queue.queue, info, args, fate, controller?.signal);
    const entry: Held = { delivery, info, fate, since: now(), controller };
    state.held.set(delivery, entry);
    beatFaster(info.heartbeatTimeoutMs);
    void handler(delivery).then((settlement) => settle(parts, entry, settlement));
  }
  return (info, args) =>
    neutral.runInAsyncScope(() => {
      state.lastFetchAt = state.lastArrivalAt = now();
      const arriving = new Promise<void>((resolve) => setImmediate(() => void arrive(info, args).finally(resolve)));
      state.arriving.add(arriving);
      void arriving.then(() => {
        state.arriving.delete(arriving);
        state.slots?.grant();
      });
    });
}

async function insisting<T>(work: () => Promise<T> | T, { state, report }: Parts): Promise<T | undefined> {
  for (let tries = 0; !state.stop.signal.aborted; tries++) {
    try {
      return await work();
    } catch (error) {
      report(error);
      await sleep(pauseMs(tries), { signal: state.stop.signal, unref: true });
    }
  }
  return undefined;
}

function toDelivery(queue: string, info: Info, args: readonly unknown[], { attempt, crashes }: Fate, signal: AbortSignal | undefined): Delivery {
  const { workflowExecution, workflowType, activityId, priority, scheduledTimestampMs } = info;
  const prefix = prefixOf(queue);
  const fullId = workflowExecution ? workflowExecution.workflowId : activityId;
  const ours = fullId.startsWith(prefix) && (!workflowExecution || workflowType === queue);
  const envelope = fromEnvelope(args[1]);
  return {
    // A workflow of others may run many activities here.
    id: ours ? fullId.slice(prefix.length) : workflowExecution ? `${fullId}/${activityId}` : fullId,
    body: envelope || args.length < 2 ? args[0] : args,
    attempt,
    crashes,
    ahead: priority?.priorityKey === 1,
    publishedAt: envelope?.publishedAt ?? scheduledTimestampMs,
    ...(signal && { signal }),
    native: info,
  };
}

async function settle({ state, settler, options, queue }: Parts, entry: Held, settlement: Settlement): Promise<void> {
  const { delivery, info } = entry;
  const applied = state.phase !== "forced" && (await settler.settle(entry, settlement, state.forced.signal));
  if (!state.held.delete(delivery)) return options.onSettled(delivery, "stale"); // given back by force
  if (settlement.outcome === "done" || settlement.outcome === "failed") queue.recent.ended = traceOf(info);
  options.onSettled(delivery, applied ? "applied" : "stale");
  for (const wake of state.onIdle) wake();
}

function traceOf({ workflowExecution, activityId }: Info): Trace {
  return { kind: workflowExecution ? "workflow" : "activity", fullId: workflowExecution?.workflowId ?? activityId, at: now() };
}

function consumerOf(parts: Parts, close: Consumer["close"]): Consumer {
  const { state, queue } = parts;
  state.onIdle.push(() => state.slots?.grant());
  return {
    setWindow(n) {
      if (state.phase !== "open") return;
      state.window = n;
      state.slots?.grant();
    },
    renew: () => beatAll(parts, queue.leaseMs),
    status: () => ({
      held: Array.from(state.held.keys(), ({ id }) => id),
      ...(state.lastFetchAt === undefined ? {} : { lastFetchAt: state.lastFetchAt }),
    }),
    close,
  };
}

interface Peers {
  readonly worker: WorkerPeer;
  readonly activity: ActivityPeer;
}

async function loadPeers(): Promise<Peers> {
  const [worker, activity] = await Promise.all([loadWorker(), loadActivity()]);
  return { worker, activity };
}

async function loadWorker(): Promise<WorkerPeer> {
  try {
    return await import("@temporalio/worker");
  } catch (cause) {
    throw missingPeer("temporal", "@temporalio/worker", cause);
  }
}

async function loadActivity(): Promise<ActivityPeer> {
  try {
    return await import("@temporalio/activity");
  } catch (cause) {
    throw missingPeer("temporal", "@temporalio/activity", cause);
  }
}
