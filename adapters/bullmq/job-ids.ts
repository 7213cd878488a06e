/** Task ids as BullMQ's job ids, and back. */
import type { Queue } from "bullmq";
import { describe, FunboostError } from "../../src/base/errors.ts";

const marker = "id~";

/**
 * BullMQ's id for a task id. It takes no ":", and its own key names would collide: such ids are written in another way,
 * and read back by `taskId`.
 */
export function jobId(id: string, queue: Queue): string {
  if (/^-?\d+$/.test(id)) {
    const why = `BullMQ counts its own job ids, so it cannot take the task id ${describe(id)}.`;
    const advice = `Allowed is any text that is no whole number: "order-${id}".`;
    throw new FunboostError("BAD_OPTION", `${why} ${advice}`, { where: queue.name });
  }
  if (id && !id.includes(":") && !id.startsWith(marker) && !(id in queue.keys)) return id;
  return marker + id.replace(/[%:]/g, (character) => (character === ":" ? "%3A" : "%25"));
}

export function taskId(id: string | undefined): string {
  if (!id?.startsWith(marker)) return id ?? "";
  return id.slice(marker.length).replace(/%3A|%25/g, (code) => (code === "%3A" ? ":" : "%"));
}

/** The same for an id that is looked up: whole numbers are those that BullMQ made. */
export const anyJobId = (id: string, queue: Queue): string => (/^-?\d+$/.test(id) ? id : jobId(id, queue));
