/** Names of jobs, and ids of tasks in Agenda's rows. */
import { createHash } from "node:crypto";
import type { AgendaTable, Job } from "./table.ts";

type Data = { readonly extra?: { readonly task_id?: unknown } } | null | undefined;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const longestName = 200;

/** A name is kept in 255 characters: of a longer one the beginning, and a hash that keeps it apart from others. */
export function jobName(queue: string): string {
  if (queue.length <= longestName) return queue;
  const start = queue.slice(0, longestName - 40).replace(/[\ud800-\udbff]$/, "");
  return `${start}~${createHash("sha256").update(queue).digest("hex").slice(0, 32)}`;
}

/**
 * Agenda gives ids itself. One that a caller gave becomes the row's by its hash, so that the backend's own key keeps it
 * unique; its text travels in the data.
 */
export function rowId(table: AgendaTable, name: string, id: string): string {
  return table.idFrom(createHash("sha256").update(`${name}\0${id}`).digest());
}

export function withId(body: unknown, id: string): unknown {
  if (!isObject(body)) return { raw: body, extra: { is_raw: true, task_id: id } };
  return { ...body, extra: { ...(isObject(body.extra) ? body.extra : {}), task_id: id } };
}

/**
 * The id that its caller gave, else the row's own. An id in the data of others (a dead letter's) does not fit the
 * row's.
 */
export function idOf(table: AgendaTable, job: Job): string {
  const given = (job.data as Data)?.extra?.task_id;
  const own = String(job._id);
  return typeof given === "string" && rowId(table, job.name, given) === own ? given : own;
}
