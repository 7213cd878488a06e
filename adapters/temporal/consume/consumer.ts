/** The consuming half of the Temporal adapter: what one consumer is made of. */
import type { ConsumeOptions, Consumer, Handler } from "../../../src/contract/index.ts";
import { missingPeer } from "../../shared/missing-peer.ts";
import { now } from "../connect/client.ts";
import { type Native, useNative } from "../connect/native-connection.ts";
import type { TemporalQueue } from "../queue.ts";
import type { BundleOption } from "../workflow/bundle.ts";
import { useOrchestrator, type WorkerPeer } from "../workflow/orchestrator.ts";
import { makeClose } from "./close.ts";
import { makeFates } from "./delivery-counts.ts";
import { makeTake } from "./intake.ts";
import { makeAsk, makePolls } from "./polls.ts";
import { makeSettler } from "./settler.ts";
import { beatAll, makeState, type Parts, roomToFetch, tellWatchers } from "./state.ts";

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
  const report = (error: unknown) =>
    void (state.phase === "forced" || state.stop.signal.aborted || options.onError(queue.client.explain(error)));
  const native = await reserve(peer, setup, report);
  const fates = makeFates(queue.client);
  const service = native.connection.workflowService;
  const parts: Parts = {
    queue,
    state,
    service,
    settler: makeSettler(queue.client, service, fates, report),
    options,
    report,
  };
  const polls = makePolls({
    ask: makeAsk(native, queue, perSecond),
    room: () => roomToFetch(state),
    onTask: makeTake(parts, fates, handler),
    onError: report,
    onPoll: () => (state.lastFetchAt = now()),
    stop: state.stop.signal,
  });
  state.watchers.add(polls.fill);
  return consumerOf(parts, makeClose(parts, polls, native.release));
}

/** The native connection and, where messages may be workflows, somebody who carries these forward. */
async function reserve(
  peer: WorkerPeer,
  { queue, bundle }: ConsumeSetup,
  onError: (error: unknown) => void,
): Promise<Native> {
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
