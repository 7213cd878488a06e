/** A queue's name in a store, which several engines, servers' prefixes and queues may share. */
import type { Broker, BrokerQueue, QueueSpec } from "../contract/broker.ts";

export function scopeOf(
  broker: Pick<Broker, "name">,
  queue: Pick<BrokerQueue, "scope">,
  spec: Pick<QueueSpec, "queue">,
): string {
  return `${broker.name}:${queue.scope ?? spec.queue}`;
}
