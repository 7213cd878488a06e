/** Messages that have an id before they are published: their callers gave it, or a filter needs one. */
import { hash } from "node:crypto";
import type { Message } from "../contract/broker.ts";

/** Characters of an id that a caller gives. */
export const longestId = 200;

/** The same id for the same text: of one that is too long the beginning, and a hash that keeps it apart from others. */
export function fitId(text: string): string {
  if (text.length <= longestId) return text;
  const end = `~${hash("sha256", text, "base64url")}`;
  const start = text.slice(0, longestId - end.length).replace(/[\ud800-\udbff]$/, ""); // no half of a pair
  return start + end;
}

export type MessageWithId = Message & { readonly id: string };

export function hasId(message: Message): message is MessageWithId {
  return message.id !== undefined;
}
