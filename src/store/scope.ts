/** A queue's name in a store, which several engines, servers' prefixes and queues may share. */
import type { Broker, BrokerQueue, QueueSpec } from "../contract/broker.ts";

export function scopeOf(
  broker: Pick<Broker, "name">,
  queue: Pick<BrokerQueue, "scope">,
  spec: Pick<QueueSpec, "queue">,
): string {
  return `${broker.name}:${queue.scope ?? spec.queue}`;
}

/** Of one task of a queue, or of the queue where its tasks have no names: part of a key. */
export function placeOf(scope: string, job: string | undefined): string {
  const place = encodeURIComponent(scope);
  return job === undefined ? place : `${place}/${encodeURIComponent(job.replace(/\p{Surrogate}/gu, "\ufffd"))}`;
}
