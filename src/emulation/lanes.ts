/** Lanes: queues beside the main one, published to by kind and consumed as one. */
import type { Broker, BrokerQueue, ConsumeOptions, Consumer, Features, Handler, QueueSpec } from "../contract/index.ts";
import { messageCalls, queueCalls } from "./lane-calls.ts";
import { consumeLanes } from "./lane-consumer.ts";
import { publishToLanes } from "./lane-publish.ts";
import { type Lane, type LaneRow, mainLane, openRow } from "./lane-row.ts";

/** Lanes of two features over one broker are one row, because what is ahead goes before every priority. */
const lanesOf = new WeakMap<Broker, { readonly base: Broker; readonly lanes: readonly Lane[] }>();

/**
 * Cannot promise: last in first out within a lane, strict order where a fetch takes longer than the lanes behind wait,
 * and that one id is known in all lanes. Each lane holds one message unstarted in each process that consumes.
 */
export function withLanes(
  broker: Broker,
  feature: "ahead" | "priority",
  added: readonly Omit<Lane, "feature">[],
): Broker {
  const { base, lanes: before } = lanesOf.get(broker) ?? { base: broker, lanes: [mainLane] };
  const lanes = [...before, ...added.map((lane) => ({ ...lane, feature }))].sort((one, other) => other.rank - one.rank);
  const result: Broker = {
    ...base,
    features: { ...broker.features, [feature]: true },
    open: (spec) => openLanes(base, spec, lanes),
  };
  lanesOf.set(result, { base, lanes });
  return result;
}

async function openLanes(base: Broker, spec: QueueSpec, lanes: readonly Lane[]): Promise<BrokerQueue> {
  const row = await openRow(base, spec, lanes);
  const added = new Set(lanes.flatMap(({ feature }) => feature ?? []));
  const features: Features = {
    ...row.main.features,
    ...Object.fromEntries(Array.from(added, (feature) => [feature, true])),
  };
  return {
    ...row.main,
    ...queueCalls(row),
    ...messageCalls(row),
    features,
    publish: (messages) => publishToLanes(row, added, messages),
    consume: (handler, options) => consume(row, handler, options),
    close: () => row.close(),
  };
}

async function consume(row: LaneRow, handler: Handler, options: ConsumeOptions): Promise<Consumer> {
  const open = async (lane: Lane) => ({ ahead: lane.feature === "ahead", queue: await row.open(lane) });
  const consumer = await consumeLanes(await Promise.all(row.lanes.map(open)), handler, options);
  row.consumers.add(consumer);
  const forget = () => row.consumers.delete(consumer);
  return { ...consumer, close: (closing) => consumer.close(closing).finally(forget) };
}
