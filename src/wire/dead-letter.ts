/** The body of a dead letter, there and back. */
import type { SerializedError } from "../base/errors.ts";
import { bodyValue } from "../base/json.ts";
import type { JsonObject } from "../contract/index.ts";
import { extraOf, isObject, parseBody, withoutExtra } from "./body.ts";
import { readExtra, withExtra } from "./stamp.ts";

/** What goes back to its queue. */
export interface RedrivenMessage {
  readonly id: string;
  readonly body: unknown;
  readonly job?: string;
  /** It goes back as one of others. */
  readonly foreign?: JsonObject;
  readonly priority?: number;
  /** The dead letter's own name: one message may be buried several times. Undefined: not buried by us. */
  readonly letter?: string;
  /** The queue that it came from. */
  readonly from?: string;
}

interface DeathFacts {
  readonly reason: string;
  readonly letter?: string;
  readonly attempts?: number;
  readonly queue: string;
  readonly error?: SerializedError;
  /** No member of the body is ours, whatever its name. */
  readonly foreign?: boolean;
  /** What its engine needs to have it again as it was. */
  readonly theirs?: JsonObject;
}

/** The body as it was, beside an `extra`: redriven it is wrapped too, where the engine cannot have it as it was. */
function changeForeign(raw: unknown, change: (extra: JsonObject) => void): JsonObject {
  const extra: JsonObject = { is_raw: true, is_foreign: true };
  change(extra);
  return { raw: bodyValue(raw), extra };
}

/** The copy for the dead-letter queue. It starts with a fresh count of attempts: `attempts` tells the old one. */
export function deadLetterBody(raw: unknown, facts: DeathFacts): JsonObject {
  const change = facts.foreign ? changeForeign : withExtra;
  return change(raw, (extra) => {
    delete extra._advanced_retry_count;
    extra.reason = facts.reason;
    if (facts.attempts !== undefined) extra.attempts = facts.attempts;
    extra.dead_from = facts.queue;
    if (facts.letter !== undefined) extra.dead_letter = facts.letter;
    if (facts.error) extra.error = facts.error;
    if (facts.theirs) extra.theirs = facts.theirs;
  });
}

/**
 * A dead letter as it was before: its id, its priority, its body without what `deadLetterBody` wrote. It carries the
 * letter's name, so that its end is known as the letter's.
 */
export function redrivenMessage(id: string, raw: unknown): RedrivenMessage {
  const facts = readExtra(raw);
  const body = parseBody(raw);
  if (!isObject(body)) return { id, body: raw };
  const { reason: _reason, attempts: _attempts, dead_from: from, error: _error, ...extra } = extraOf(body) ?? {};
  const letter = typeof extra.dead_letter === "string" ? { letter: extra.dead_letter } : {};
  const priority = facts?.priority === undefined ? {} : { priority: facts.priority };
  const { is_raw: isRaw, task_id: _id, publish_time: _time, publish_time_format: _format, ...others } = extra;
  const { misfire_grace_time: _grace, countdown: _countdown, ...rest } = others; // they were for its first start
  const message = { id: facts?.id ?? id, ...priority, ...letter, ...(typeof from === "string" ? { from } : {}) };
  const { dead_letter: name, ...own } = rest;
  if (isRaw === true && own.is_foreign === true && isObject(own.theirs))
    return { ...message, body: body.raw, foreign: own.theirs };
  if (isRaw === true && own.is_foreign === true)
    return { ...message, body: { raw: body.raw, extra: { is_raw: true, is_foreign: true, dead_letter: name } } };
  if (isRaw === true) return { ...message, body: rawBody(body.raw, own.job) };
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

/** Where the body has the task's name, it keeps it. */
function rawBody(raw: unknown, job: unknown): unknown {
  return job === undefined ? raw : { raw, extra: { is_raw: true, job } };
}
