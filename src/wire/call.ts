/** The wire envelope: the arguments by name at top level, and `extra`. Python funboost's format; nobody else knows it. */

import { describe, type SerializedError } from "../base/errors.ts";
import { parseJson, stringifyJson } from "../base/json.ts";
import type { JsonObject } from "../contract/index.ts";
import { byName, byOrder, checkTakesOne, isObject, refuseMessage, toMembers } from "./arguments.ts";
import { type Extra, type MessageLimits, noExtra, readLimits, writeLimits } from "./limits.ts";
import type { Signature } from "./signature.ts";
import { formatTime } from "./time-text.ts";

export type { Extra, MessageLimits } from "./limits.ts";
export { setTimezone } from "./time-text.ts";

/** One message, read for one task. */
export interface Call {
  readonly args: readonly unknown[];
  readonly limits: MessageLimits;
  readonly extra: Extra;
  /** Known not to come from a task's push: no `order` where the names are labels, or taken by `convert`. By name or as one object, both look alike. */
  readonly foreign: boolean;
  /** The parsed body, or the text when it is no JSON. */
  readonly body: unknown;
}

export type Convert = (raw: unknown) => readonly unknown[];

const orders = new WeakMap<Signature, readonly string[]>();

/** The body that a task's own push sends. Throws BAD_ARGS. */
export function encodeBody(
  signature: Signature,
  args: readonly unknown[],
  limits: MessageLimits | undefined,
  queue: string,
): JsonObject {
  const body = toMembers(signature, args, queue);
  const order =
    signature.kind === "positional"
      ? orderOf(signature)
      : signature.kind === "object" && args.length === 0
        ? []
        : undefined;
  if (order && (order.length > 0 || signature.kind === "object"))
    body.extra = limits ? { order, ...writeLimits(limits) } : { order };
  else if (limits) body.extra = writeLimits(limits);
  return body;
}

function orderOf(signature: Signature): readonly string[] {
  const known = orders.get(signature);
  if (known) return known;
  const last = signature.names.length - 1;
  const order = Object.freeze(
    signature.names.map((name, index) => (signature.rest && index === last ? `...${name}` : name)),
  );
  orders.set(signature, order);
  return order;
}

/**
 * Reads a body for a task. Throws BAD_MESSAGE, saying what is wrong and what is needed.
 * `publishedAtMs`: what the engine knows, for a `countdown` without `publish_time`.
 */
export function decodeBody(
  raw: unknown,
  signature: Signature,
  convert: Convert | undefined,
  publishedAtMs?: number,
): Call {
  const parsed = parseBody(raw);
  const stamped = extraOf(parsed);
  const marked = stamped !== undefined && (stamped.is_raw === true || stamped.is_auto_fill_extra === true);
  const limits = readLimits(stamped, publishedAtMs);
  const extra = stamped ?? noExtra;
  const own = stamped !== undefined && !marked;
  if (convert && !own) {
    const foreign = marked ? originalOf(parsed as JsonObject) : raw;
    return { args: converted(convert, foreign), limits, extra, foreign: true, body: parseBody(foreign) };
  }
  const body = marked ? parseBody(originalOf(parsed as JsonObject)) : parsed;
  if (!isObject(body))
    return refuseMessage(`the body is ${describe(body)}. Needed: a JSON object. Set "convert" to take other bodies.`);
  const { order } = extra;
  const ordered = own && order !== undefined && order !== null;
  const args = ordered
    ? byOrder(body, order, signature)
    : signature.kind === "named"
      ? byName(body, signature, own)
      : wholeBody(body, signature, own);
  return {
    args,
    limits,
    extra,
    foreign: marked || (!ordered && signature.kind === "positional" && signature.names.length > 0),
    body,
  };
}

function wholeBody(body: JsonObject, signature: Signature, own: boolean): readonly unknown[] {
  if (signature.kind === "positional") checkTakesOne(signature);
  if (signature.kind === "positional" && signature.names.length === 0) return [];
  return [own ? withoutExtra(body) : body];
}

function parseBody(raw: unknown): unknown {
  const text = textOf(raw);
  if (text === undefined) return raw;
  const json = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  if (!/^\s*[[{"\-\dtfn]/.test(json)) return text;
  try {
    return parseJson(json);
  } catch {
    return text; // what only looks like JSON is text
  }
}

function textOf(raw: unknown): string | undefined {
  if (typeof raw === "string") return raw;
  return raw instanceof Uint8Array
    ? Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString("utf8")
    : undefined;
}

function extraOf(body: unknown): Extra | undefined {
  return isObject(body) && Object.hasOwn(body, "extra") && isObject(body.extra) ? body.extra : undefined;
}

function withoutExtra(body: JsonObject): JsonObject {
  const { extra: _, ...rest } = body;
  return rest;
}

function converted(convert: Convert, raw: unknown): readonly unknown[] {
  let args: unknown;
  try {
    args = convert(raw);
  } catch (cause) {
    return refuseMessage(`"convert" threw: ${cause instanceof Error ? cause.message : describe(cause)}`, cause);
  }
  return Array.isArray(args)
    ? args
    : refuseMessage(`"convert" answered ${describe(args)}. Needed: the list of arguments, such as [file, height].`);
}

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
}

/** A new body with these facts in its `extra`; all else of it is kept. */
export function stampExtra(body: unknown, facts: ExtraFacts): JsonObject {
  const { id, publishedAt, attempt, ahead, priority, fired } = facts;
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
  });
}

/** The same body with a changed copy of its `extra`. What came without one is marked, so that `decodeBody` finds it as it was. */
function withExtra(raw: unknown, change: (extra: JsonObject) => void): JsonObject {
  const body = parseBody(raw);
  const old = extraOf(body);
  const extra: JsonObject = { ...old };
  if (!isObject(body)) extra.is_raw = true;
  else if (!old && body !== raw) extra.is_auto_fill_extra = true; // text from elsewhere; objects of our own may well have no `extra`
  change(extra);
  return isObject(body) ? { ...body, extra } : { raw: textOf(raw) ?? raw, extra };
}

/** What `withExtra` marked, as it was. */
function originalOf(body: JsonObject): unknown {
  return (body.extra as Extra).is_raw === true ? body.raw : stringifyJson(withoutExtra(body));
}

/** Undefined when the body is no object with an `extra`. */
export function readExtra(body: unknown): ExtraFacts | undefined {
  const extra = typeof body === "string" && !body.includes('"extra"') ? undefined : extraOf(parseBody(body));
  if (!extra) return undefined;
  const facts: ExtraFacts = {};
  const { task_id: id, publish_time: seconds, _advanced_retry_count: retries, ahead, fired } = extra;
  if (typeof id === "string" ? id !== "" : typeof id === "number" || typeof id === "bigint") facts.id = String(id);
  if (typeof seconds === "number") facts.publishedAt = Math.round(seconds * 1000);
  if (typeof retries === "number" && retries >= 0) facts.attempt = Math.floor(retries) + 1;
  if (typeof ahead === "boolean") facts.ahead = ahead;
  if (typeof fired === "string") facts.fired = fired;
  const others = extra.other_extra_params;
  const priority = extra.priority ?? others?.priority ?? others?.priroty; // Python's spellings
  if (typeof priority === "number") facts.priority = priority;
  return facts;
}

/** The copy for the dead-letter queue. It starts with a fresh count of attempts: `attempts` tells the old one. */
export function deadLetterBody(
  raw: unknown,
  facts: { reason: string; letter?: string; attempts?: number; queue: string; error?: SerializedError },
): JsonObject {
  return withExtra(raw, (extra) => {
    delete extra._advanced_retry_count;
    extra.reason = facts.reason;
    if (facts.attempts !== undefined) extra.attempts = facts.attempts;
    extra.dead_from = facts.queue;
    if (facts.letter !== undefined) extra.dead_letter = facts.letter;
    if (facts.error) extra.error = facts.error;
  });
}

export interface Redriven {
  readonly id: string;
  readonly body: unknown;
  readonly priority?: number;
  /** The dead letter's own name: one message may be buried several times. Undefined: not buried by us. */
  readonly letter?: string;
  /** The queue that it came from. */
  readonly from?: string;
}

/** A dead letter as it was before: its id, its priority, its body without what `deadLetterBody` wrote. It carries the letter's name, so that its end is known as the letter's. */
export function redrivenMessage(id: string, raw: unknown): Redriven {
  const facts = readExtra(raw);
  const body = parseBody(raw);
  if (!isObject(body)) return { id, body: raw };
  const { reason: _reason, attempts: _attempts, dead_from: from, error: _error, ...extra } = extraOf(body) ?? {};
  const letter = typeof extra.dead_letter === "string" ? { letter: extra.dead_letter } : {};
  const priority = facts?.priority === undefined ? {} : { priority: facts.priority };
  const { is_raw: isRaw, task_id: _id, publish_time: _time, publish_time_format: _format, ...kept } = extra;
  const { misfire_grace_time: _grace, countdown: _countdown, ...rest } = kept; // they were for its first start
  const message = { id: facts?.id ?? id, ...priority, ...letter, ...(typeof from === "string" ? { from } : {}) };
  if (isRaw === true) return { ...message, body: body.raw };
  const { dead_letter: name, ...own } = rest;
  if (name === undefined)
    return { ...message, body: { ...withoutExtra(body), ...(Object.keys(own).length > 0 ? { extra: own } : {}) } };
  // What came without an `extra` is still found as it was.
  return {
    ...message,
    body: {
      ...withoutExtra(body),
      extra: { ...(Object.keys(own).length > 0 ? own : { is_auto_fill_extra: true }), dead_letter: name },
    },
  };
}
