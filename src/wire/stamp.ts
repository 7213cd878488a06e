/** What is written into a message's `extra` and read from it: its id, its times, its place. */
import { isTimeMs } from "../base/duration.ts";
import { bodyText, bodyValue } from "../base/json.ts";
import type { JsonObject } from "../contract/index.ts";
import { extraOf, isObject, parseBody, textOf } from "./body.ts";
import { formatTime } from "./time-text.ts";

/** What a message says of itself, where its engine keeps no such thing beside it. */
export interface ExtraFacts {
  id?: string;
  /** Epoch milliseconds. */
  publishedAt?: number;
  attempt?: number;
  ahead?: boolean;
  priority?: number;
  /** Which firing of which timer published it. */
  fired?: string;
  job?: string;
}

/** A new body with these facts in its `extra`; all else of it is kept. */
export function stampExtra(body: unknown, facts: ExtraFacts): JsonObject {
  const { id, publishedAt, attempt, ahead, priority, fired, job } = facts;
  return withExtra(body, (extra) => {
    if (id !== undefined) extra.task_id = id;
    if (publishedAt !== undefined) {
      extra.publish_time = Math.round(publishedAt * 10) / 10_000;
      extra.publish_time_format = formatTime(publishedAt);
    }
    if (attempt !== undefined && attempt > 1) extra._advanced_retry_count = attempt - 1;
    else if (attempt !== undefined) delete extra._advanced_retry_count;
    if (ahead !== undefined) extra.ahead = ahead;
    if (priority !== undefined) extra.priority = priority;
    if (fired !== undefined) extra.fired = fired;
    if (job !== undefined) extra.job = job;
  });
}

/** A body that is sent as it is, but for its task's name: text stays text, a value a value. */
export function stampRaw(body: unknown, job: string): JsonObject {
  const raw = bodyValue(body);
  if (isObject(raw)) return stampExtra(bodyText(body), { job });
  return extraOf(parseBody(raw)) ? stampExtra(raw, { job }) : { raw, extra: { is_raw: true, job } };
}

/** The name in a message's body. */
export function readJob(body: unknown): string | undefined {
  return typeof body === "string" && !body.includes('"job"') ? undefined : readExtra(body)?.job;
}

/**
 * The same body with a changed copy of its `extra`. What came without one is marked, so that `decodeBody` finds it as
 * it was.
 */
export function withExtra(raw: unknown, change: (extra: JsonObject) => void): JsonObject {
  const body = parseBody(raw);
  const old = extraOf(body);
  const extra: JsonObject = { ...old };
  if (!isObject(body)) extra.is_raw = true;
  // Text from elsewhere: what is an object here may well be our own, without an `extra`.
  else if (!old && textOf(raw) !== undefined) extra.is_auto_fill_extra = true;
  change(extra);
  return isObject(body) ? { ...body, extra } : { raw: textOf(raw) ?? body, extra };
}

/** Undefined when the body is no object with an `extra`. */
export function readExtra(body: unknown): ExtraFacts | undefined {
  const extra = typeof body === "string" && !body.includes('"extra"') ? undefined : extraOf(parseBody(body));
  if (!extra) return undefined;
  const facts: ExtraFacts = {};
  const { task_id: id, publish_time: seconds, _advanced_retry_count: retries, ahead, fired, job } = extra;
  if (typeof id === "string" ? id !== "" : typeof id === "number" || typeof id === "bigint") facts.id = String(id);
  if (typeof seconds === "number" && isTimeMs(seconds * 1000)) facts.publishedAt = Math.round(seconds * 1000);
  if (typeof retries === "number" && retries >= 0) facts.attempt = Math.floor(retries) + 1;
  if (typeof ahead === "boolean") facts.ahead = ahead;
  if (typeof fired === "string") facts.fired = fired;
  if (typeof job === "string") facts.job = job;
  const others = extra.other_extra_params;
  const priority = extra.priority ?? others?.priority ?? others?.priroty; // Python's spellings
  if (typeof priority === "number") facts.priority = priority;
  return facts;
}
