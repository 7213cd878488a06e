/** A row of lanes: ordinary queues `<queue><suffix>` beside the main one, each opened when it is needed. */
import { FunboostError } from "../base/errors.ts";
import type { Broker, BrokerQueue, Message, QueueSpec } from "../contract/index.ts";
import type { LaneConsumer } from "./lane-consumer.ts";

export interface Lane {
  /** Behind the name of the main queue; empty for that one itself. */
  readonly suffix: string;
  /** Bigger goes first. */
  readonly rank: number;
  /** The feature that it stands for. */
  readonly feature?: "ahead" | "priority";
  /** The main queue takes what no other does. */
  takes(message: Message): boolean;
}

export const mainLane: Lane = { suffix: "", rank: 0, takes: () => false };

export interface LaneRow {
  /** Foremost first. */
  readonly lanes: readonly Lane[];
  readonly main: BrokerQueue;
  readonly consumers: Set<LaneConsumer>;
  open(lane: Lane): Promise<BrokerQueue>;
  /** Closes what is open of it, consumers first. */
  close(): Promise<void>;
}

export async function openRow(broker: Broker, spec: QueueSpec, lanes: readonly Lane[]): Promise<LaneRow> {
  refuseName(broker, spec, lanes);
  const queues = new Map<Lane, Promise<BrokerQueue>>();
  const consumers = new Set<LaneConsumer>();
  const open = (lane: Lane) => {
    let queue = queues.get(lane);
    if (!queue) {
      queue = broker.open({ ...spec, queue: spec.queue + lane.suffix });
      queues.set(lane, queue);
      queue.catch(() => queues.delete(lane)); // the server may be there next time
    }
    return queue;
  };
  const close = async () => {
    await Promise.all(Array.from(consumers, (consumer) => consumer.close()));
    for (const queue of await Promise.all(queues.values())) await queue.close();
  };
  return { lanes, main: await open(mainLane), consumers, open, close };
}

function refuseName({ name }: Broker, { queue }: QueueSpec, lanes: readonly Lane[]): void {
  const lane = lanes.find(({ suffix }) => suffix !== "" && queue.endsWith(suffix));
  if (!lane) return;
  const owner = queue.slice(0, -lane.suffix.length);
  const advice = `Choose one that does not end in ${lanes.flatMap(({ suffix }) => suffix || []).join(", ")}.`;
  const text = `the queue name "${queue}" belongs to the queue "${owner}", whose lane it is. ${advice}`;
  throw new FunboostError("BAD_QUEUE", text, { where: name });
}
