/**
 * The consuming half of the Bee-Queue adapter. Bee-Queue's process() takes one job in four round trips, and its
 * concurrency can be neither raised nor lowered; so jobs are taken and ended in batches on its own keys, in its own
 * words, beside its own workers.
 */
import { clock } from "../../src/base/clock.ts";
import type { ConsumeOptions, Consumer, Handler } from "../../src/contract/index.ts";
import { inNeutralContext } from "../shared/neutral-context.ts";
import { type PollConsumer, poll } from "../shared/poll.ts";
import type { BeeDelivery } from "./delivery.ts";
import { type ConsumerState, createExchange, giveBack } from "./exchange.ts";
import { keepLeases } from "./leases.ts";
import type { OpenQueue } from "./open-queue.ts";
import { createWaiter, type Waiter, waitSeconds } from "./waiter.ts";

const batchSize = 500;

/** Consumes one queue. Nothing is fetched until `setWindow`. */
export async function consumeJobs(queue: OpenQueue, handler: Handler, options: ConsumeOptions): Promise<Consumer> {
  const { clients, base } = queue;
  const onError = (error: unknown) => options.onError(clients.explain(error));
  const state = createState(queue, onError);
  const waiter = createWaiter(queue, await clients.another(), state.report);
  const source = { exchange: createExchange(state, waiter), batchSize, idleMs: waitSeconds * 1_000 };
  const consumer = poll(source, handler, { ...options, onError });
  waiter.onEnd = (id) => {
    if (id !== undefined) state.arrivals.push({ id, at: clock.monotonic() });
    giveBack(state);
    consumer.wake();
  };
  const stopHearing = await clients
    .hear(`${base}earlierDelayed`, consumer.wake)
    .catch((error: unknown) => waiter.close().then(() => Promise.reject(error)));
  const stopLeases = inNeutralContext(() => keepLeases(state, consumer));
  return {
    setWindow(n) {
      if (state.closed) return;
      state.window = n;
      inNeutralContext(() => consumer.setWindow(n));
      giveBack(state);
      if (n === 0) void waiter.stop();
    },
    status: consumer.status,
    close: createClose(state, consumer, waiter, () => {
      stopHearing();
      return stopLeases();
    }),
  };
}

function createState(queue: OpenQueue, onError: (error: unknown) => void): ConsumerState {
  const state: ConsumerState = {
    queue,
    report: (error) => void (state.closed || onError(error)),
    tokens: new Map(),
    arrivals: [],
    lostToken: "",
    window: 0,
    closed: false,
  };
  return state;
}

function createClose(
  state: ConsumerState,
  consumer: PollConsumer<BeeDelivery>,
  waiter: Waiter,
  stop: () => Promise<unknown>,
): Consumer["close"] {
  let closing: Promise<void> | undefined;
  async function end(drained: Promise<void>): Promise<void> {
    await Promise.all([drained, waiter.close()]);
    await stop();
  }
  return (options) => {
    state.closed = true;
    state.window = 0;
    giveBack(state);
    const drained = consumer.close(options);
    return (closing ??= end(drained));
  };
}
