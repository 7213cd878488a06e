/** Messages that have an id before they are published: their callers gave it, or a filter needs one. */
import type { Message } from "../contract/broker.ts";

export type MessageWithId = Message & { readonly id: string };

export function hasId(message: Message): message is MessageWithId {
  return message.id !== undefined;
}
