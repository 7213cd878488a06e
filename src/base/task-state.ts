/** Whether a task has ended, by what is known of it. */

import type { FinalStatus, MessageState } from "../contract/broker.ts";

/** Has not ended, as far as that is known. */
export function isOpen(state: MessageState | FinalStatus | undefined): boolean {
  return state === "waiting" || state === "delayed" || state === "running";
}

export function isOver(state: MessageState | FinalStatus | undefined): boolean {
  return state !== undefined && !isOpen(state);
}
