/** Publishes what is not known yet, and answers for all messages in their order. */
import type { BrokerQueue, Message, Published } from "../contract/broker.ts";

/** `known`: what is answered for those that are not published. */
export async function publishExcept(
  messages: readonly Message[],
  known: ReadonlyMap<Message, Published>,
  publish: BrokerQueue["publish"],
): Promise<readonly Published[]> {
  if (known.size === 0) return publish(messages);
  const rest = messages.filter((message) => !known.has(message));
  const published = rest.length > 0 ? await publish(rest) : [];
  let next = 0;
  return messages.map((message) => known.get(message) ?? (published[next++] as Published));
}
