/** What things of ours are called in Temporal: queues, ids, the flag that says "paused". */
import { describe, FunboostError } from "../../../src/base/errors.ts";

/** The type of the workflow that says "paused", and its task queue too: nobody polls it, so it stays open. */
export const pauseName = "funboost.pause";

const longestName = 1_000;
/** Of ids that we make up ourselves. */
const ownIdLength = 36;

/** A ":" of the queue's name is escaped: "a:b" with id "c" and "a" with id "b:c" are two. */
export const prefixOf = (queue: string) => `boost:${queue.replaceAll("%", "%25").replaceAll(":", "%3A")}:`;

/** Why a name cannot be a task queue of ours; undefined where it can. */
export function whyNoQueue(queue: string, reserved: readonly string[]): string | undefined {
  const room = longestName - ownIdLength;
  if (queue === "" || Buffer.byteLength(prefixOf(queue)) > room)
    return `Allowed are 1 to ${room - prefixOf("").length} bytes, ":" and "%" counting three`;
  if (/^(\/_sys\/|__temporal)/.test(queue)) return 'Names that begin with "/_sys/" or "__temporal" are Temporal\'s own';
  if (reserved.includes(queue)) return "This name is funboost's own on this server";
  return hasLoneSurrogate(queue) ? "It is no valid text" : undefined;
}

export function checkQueue(queue: string, reserved: readonly string[]): void {
  const why = whyNoQueue(queue, reserved);
  if (why)
    throw new FunboostError("BAD_QUEUE", `Temporal cannot take the queue name ${describe(queue)}. ${why}.`, {
      where: "temporal",
    });
}

export function engineId(prefix: string, id: string): string {
  const result = prefix + id;
  if (id !== "" && Buffer.byteLength(result) <= longestName && !hasLoneSurrogate(id)) return result;
  const allowed = `Allowed is valid text of 1 to ${longestName - Buffer.byteLength(prefix)} bytes in this queue`;
  throw new FunboostError("BAD_OPTION", `Temporal cannot take the task id ${describe(id)}. ${allowed}.`, {
    where: "temporal",
  });
}

function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text);
}

/** In a visibility query. */
export const quoted = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
