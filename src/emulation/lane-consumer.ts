/** One consumer over several lanes: they share one window, and the foremost lane that has something goes first. */
import type { BrokerQueue, ConsumeOptions, Consumer, Handler } from "../contract/index.ts";
import {
  addCandidate,
  type Candidate,
  closeWindow,
  createLaneWindow,
  holdWindow,
  type LaneWindow,
  resizeWindow,
  settleDelivery,
  type WindowLane,
  warm,
} from "./lane-window.ts";

export interface OpenLane {
  readonly ahead: boolean;
  readonly queue: BrokerQueue;
}

export interface LaneConsumer extends Consumer {
  /** Ids that were fetched and not handed on: to everybody above they still wait. */
  unstarted(): readonly string[];
  /** A message was published to this lane, counted from the foremost, and will arrive soon. */
  expect(lane: number): void;
  /** Gives those back, and fetches nothing until the answered function is called. */
  hold(): Promise<() => void>;
}

/** `lanes`: foremost first. */
export async function consumeLanes(
  lanes: readonly OpenLane[],
  handler: Handler,
  options: ConsumeOptions,
): Promise<LaneConsumer> {
  const window = createLaneWindow(handler, options.onSettled);
  try {
    for (const lane of lanes) window.lanes.push(await consumeLane(window, lane, options));
  } catch (error) {
    await Promise.all(window.lanes.map(({ consumer }) => consumer.close({ force: true })));
    throw error;
  }
  return createLaneConsumer(window);
}

async function consumeLane(
  window: LaneWindow,
  { ahead, queue }: OpenLane,
  options: ConsumeOptions,
): Promise<WindowLane> {
  const candidates: Candidate[] = [];
  const handler: Handler = (delivery) =>
    new Promise((settle) => addCandidate(window, candidates, { delivery, settle }));
  const onSettled: ConsumeOptions["onSettled"] = (delivery, how) => settleDelivery(window, lane, delivery, how);
  const consumer = await queue.consume(handler, { ...options, onSettled });
  const lane: WindowLane = { ahead, consumer, candidates, runs: 0, window: 0, warmUntil: 0, isFetched: false };
  return lane;
}

function createLaneConsumer(window: LaneWindow): LaneConsumer {
  const { lanes } = window;
  const consumers = lanes.map(({ consumer }) => consumer);
  const canRenew = consumers.some(({ renew }) => renew);
  return {
    setWindow: (n) => resizeWindow(window, n),
    ...(canRenew && { renew: async () => void (await Promise.all(consumers.map((consumer) => consumer.renew?.()))) }),
    status() {
      const fetches = consumers.flatMap((consumer) => consumer.status().lastFetchAt ?? []);
      return {
        held: Array.from(window.runs.keys(), ({ id }) => id),
        ...(fetches.length > 0 && { lastFetchAt: Math.max(...fetches) }),
      };
    },
    unstarted: () => lanes.flatMap(({ candidates }) => candidates.map(({ delivery }) => delivery.id)),
    expect(index) {
      const lane = lanes[index];
      if (lane) warm(lane);
    },
    hold: () => holdWindow(window),
    async close(closing) {
      closeWindow(window);
      await Promise.all(consumers.map((consumer) => consumer.close(closing)));
    },
  };
}
