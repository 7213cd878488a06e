/** One consumer of a Temporal queue: what it is made of. */
import { clock } from "../../../src/base/clock.ts";
import type { ConsumeOptions, Consumer, Handler } from "../../../src/contract/index.ts";
import { missingPeer } from "../../shared/missing-peer.ts";
import { usePeer } from "../../shared/peer.ts";
import { type NativeUse, useNativeConnection } from "../connect/native-connection.ts";
import type { TemporalQueue } from "../queue.ts";
import type { BundleOption } from "../workflow/bundle-option.ts";
import { useOrchestrator, type WorkerPeer } from "../workflow/orchestrator.ts";
import { createClose } from "./close.ts";
import { createDeliveryCounter } from "./delivery-counts.ts";
import { beatAll } from "./heartbeat.ts";
import { createIntake } from "./intake.ts";
import { createPoll, createPolls } from "./polls.ts";
import { createSettler } from "./settler.ts";
import { type ConsumerParts, createState, roomToFetch, tellWatchers } from "./state.ts";

export interface ConsumerSetup {
  readonly queue: TemporalQueue;
  /** Temporal's own limit for this task queue, over all that poll it. */
  readonly perSecond: number | undefined;
  readonly bundle: BundleOption | undefined;
}

/** Consumes one queue. Nothing is fetched until `setWindow`. */
export async function createConsumer(
  setup: ConsumerSetup,
  handler: Handler,
  options: ConsumeOptions,
): Promise<Consumer> {
  const { queue, perSecond } = setup;
  const peer = await loadWorker();
  const state = createState();
  const report = (error: unknown) =>
    void (state.phase === "forced" || state.stop.signal.aborted || options.onError(queue.client.explain(error)));
  const native = await reserve(peer, setup, report);
  const counter = createDeliveryCounter(queue.client);
  const service = () => native.connection.workflowService;
  const parts: ConsumerParts = {
    queue,
    state,
    service,
    settler: createSettler({ client: queue.client, service, counter, onTrouble: report }),
    options,
    report,
  };
  const polls = createPolls({
    ask: createPoll(native, queue, perSecond),
    room: () => roomToFetch(state),
    onTask: createIntake(parts, counter, handler),
    onError: report,
    onPoll: () => (state.lastFetchAt = clock.monotonic()),
    stop: state.stop.signal,
  });
  state.watchers.add(polls.fill);
  return consumerOf(parts, createClose(parts, polls, native.release));
}

/** The native connection and, where messages may be workflows, somebody who carries these forward. */
async function reserve(
  peer: WorkerPeer,
  { queue, bundle }: ConsumerSetup,
  onError: (error: unknown) => void,
): Promise<NativeUse> {
  const { target, identity, explain } = queue.client;
  try {
    const native = await useNativeConnection(peer, target);
    if (queue.mode === "activity") return native;
    const options = { target, identity, taskQueue: queue.orchestrator, bundle };
    const stop = await useOrchestrator(peer, options, onError).catch(async (error: unknown) => {
      await native.release();
      throw error;
    });
    const { release } = native;
    return Object.assign(native, { release: async () => void (await Promise.all([release(), stop()])) });
  } catch (error) {
    throw explain(error);
  }
}

function consumerOf(parts: ConsumerParts, close: Consumer["close"]): Consumer {
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
    return usePeer("temporal", "@temporalio/worker", await import("@temporalio/worker"), "Worker");
  } catch (cause) {
    throw missingPeer("temporal", "@temporalio/worker", cause, ["@temporalio/workflow"]);
  }
}
