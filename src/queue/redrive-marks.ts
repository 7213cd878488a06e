/** What is known of a dead letter that is redriven, whoever is killed. */
import type { SetEntry } from "../contract/store.ts";
import type { OpenQueue } from "../setup/model.ts";

/** In which a redrive that was killed is taken up by the next. */
export const markedMs = 7 * 86_400_000;

export const moving = "moving";
export const moved = "moved";

export const movedKey = (scope: string, letter: string) => `redriven:${encodeURIComponent(scope)}:${letter}`;

/** Written at the end of its new life too: a redrive may be killed before it gets to that. */
export function movedMark({ scope }: OpenQueue, letter: string): SetEntry {
  return { key: movedKey(scope, letter), value: moved, ttlMs: markedMs };
}
