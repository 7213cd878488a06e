/** The wire envelope, Python funboost's: the arguments by name at top level, and `extra`. Nobody else knows it. */

import { describe, toError } from "../base/errors.ts";
import { bodyValue, stringifyJson } from "../base/json.ts";
import { copyPlain } from "../base/plain-copy.ts";
import type { JsonObject } from "../contract/index.ts";
import { bindByName, bindByOrder, checkOrder, checkTakesOne, refuseMessage, toMembers, toValues } from "./arguments.ts";
import { extraOf, isObject, originalOf, parseBody, textOf, whatItIs, withoutExtra } from "./body.ts";
import { type Extra, type MessageLimits, noExtra, noLimits, readLimits, writeLimits } from "./limits.ts";
import type { Signature } from "./signature.ts";

/** One message, read for one task. */
export interface Call {
  readonly args: readonly unknown[];
  readonly limits: MessageLimits;
  readonly extra: Extra;
  /**
   * Known not to come from a task's push: no `order` where the names are labels, or taken by `convert`. By name or as
   * one object, both look alike.
   */
  readonly foreign: boolean;
  /** `args` are what `convert` made, and no part of the body. */
  readonly converted: boolean;
  /** The parsed body, or the text when it is no JSON. */
  readonly body: unknown;
  /** Why there are no `args`: a call, but none that this signature takes. Another version of the task may take it. */
  readonly unbound: Error | undefined;
}

export type Convert = (raw: unknown) => readonly unknown[];

const noArgs: readonly unknown[] = Object.freeze([]);
const orders = new WeakMap<Signature, readonly string[]>();

/** What the texts of one signature have in common. */
interface TextForm {
  /** What stands before each argument. */
  readonly starts: readonly string[];
  readonly end: string;
}

const textForms = new WeakMap<Signature, TextForm>();

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

/** The same as JSON text. What is the same in most messages of a task is made once: it is half of their text. */
export function encodeText(
  signature: Signature,
  args: readonly unknown[],
  limits: MessageLimits | undefined,
  queue: string,
): string {
  if (limits || signature.kind !== "positional" || signature.names.length === 0)
    return JSON.stringify(encodeBody(signature, args, limits, queue));
  const { starts, end } = textFormOf(signature);
  const values = toValues(signature, args, queue);
  let text = "{";
  for (let i = 0; i < values.length; i++)
    if (values[i] !== undefined) text += `${starts[i]}${JSON.stringify(values[i])},`;
  return text + end;
}

function textFormOf(signature: Signature): TextForm {
  const existing = textForms.get(signature);
  if (existing) return existing;
  const form = {
    starts: signature.names.map((name) => `${JSON.stringify(name)}:`),
    end: `"extra":${JSON.stringify({ order: orderOf(signature) })}}`,
  };
  textForms.set(signature, form);
  return form;
}

function orderOf(signature: Signature): readonly string[] {
  const existing = orders.get(signature);
  if (existing) return existing;
  const last = signature.names.length - 1;
  const order = Object.freeze(
    signature.names.map((name, index) => (signature.rest && index === last ? `...${name}` : name)),
  );
  orders.set(signature, order);
  return order;
}

/**
 * Reads a body for a task. Throws BAD_MESSAGE for what is no call of any task, saying what is wrong and what is needed.
 * `publishedAtMs`: what the engine knows, for a `countdown` without `publish_time`.
 */
export function decodeBody(
  raw: unknown,
  signature: Signature,
  convert: Convert | undefined,
  publishedAtMs?: number,
): Call {
  const parsed = parseBody(raw);
  const found = extraOf(parsed);
  const isMarked = found !== undefined && (found.is_raw === true || isFilled(found));
  const limits = readLimits(found, publishedAtMs);
  if (found?.can_not_json_serializable_keys) refusePickles(found.can_not_json_serializable_keys);
  const extra = found ?? noExtra;
  const own = found !== undefined && !isMarked;
  if (found?.is_foreign === true && isMarked)
    // a dead letter that is back
    return { ...decodeForeign((parsed as JsonObject).raw, signature, convert), limits, extra };
  if (convert && !own) {
    const foreign = isMarked ? givenTo(parsed as JsonObject, raw) : bodyValue(raw);
    const args = convertBody(convert, copyPlain(foreign));
    return { args, limits, extra, foreign: true, converted: true, body: parseBody(foreign), unbound: undefined };
  }
  const body = isMarked ? parseBody(originalOf(parsed as JsonObject)) : parsed;
  if (signature.takesAll) {
    const args = [own && isObject(body) ? withoutExtra(body) : body];
    return { args, limits, extra, foreign: !own, converted: false, body, unbound: undefined };
  }
  if (!isObject(body))
    return refuseMessage(`${whatItIs(body)} Needed: a JSON object. Set "convert" to take other bodies.`);
  const { order } = extra;
  const ordered = own && order !== undefined && order !== null;
  if (ordered) checkOrder(order);
  const foreign = isMarked || (!ordered && signature.kind === "positional" && signature.names.length > 0);
  let args = noArgs;
  let unbound: Error | undefined;
  try {
    if (ordered) args = bindByOrder(body, order, signature);
    else args = signature.kind === "named" ? bindByName(body, signature, own) : wholeBody(body, signature, own);
  } catch (error) {
    unbound = toError(error);
  }
  return { args, limits, extra, foreign, converted: false, body, unbound }; // a spread here costs as much as the rest
}

/** It came without an `extra`. With its id in there it would have one without its task's name too, and be a call. */
function isFilled({ is_auto_fill_extra: filled, job, task_id: id }: Extra): boolean {
  return filled === true && !(job !== undefined && id !== undefined);
}

/** What it would be without its task's name: where the engine delivers text, text. */
function givenTo(body: JsonObject, raw: unknown): unknown {
  const { job, is_raw: isRaw } = extraOf(body) ?? noExtra;
  if (job === undefined) return originalOf(body);
  const given = isRaw === true ? body.raw : withoutExtra(body);
  return typeof given === "string" || textOf(raw) === undefined ? given : stringifyJson(given);
}

/**
 * Reads what others published for a task that adopts it: data of any JSON type, no member of it is ours, and what the
 * task has no name for is ignored. Throws BAD_MESSAGE.
 */
export function decodeForeign(raw: unknown, signature: Signature, convert: Convert | undefined): Call {
  const body = bodyValue(raw);
  const args = convert ? convertBody(convert, copyPlain(body)) : foreignArgs(body, signature);
  return { args, limits: noLimits, extra: noExtra, foreign: true, converted: !!convert, body, unbound: undefined };
}

function foreignArgs(body: unknown, signature: Signature): readonly unknown[] {
  if (signature.kind !== "object" && signature.names.length === 0) return noArgs;
  if (signature.kind === "named") {
    if (!isObject(body)) return refuseMessage(`${whatItIs(body)} Needed: a JSON object, for its members' names.`);
    return bindByName(body, signature, false, true);
  }
  if (signature.kind === "positional") checkTakesOne(signature);
  return [body];
}

/** Python's names of the arguments that it has pickled: a pickle is a program, and none that we could run. */
function refusePickles(names: unknown): void {
  if (!Array.isArray(names) || names.length === 0) return;
  const list = names.map((name) => describe(name)).join(", ");
  const which = names.length === 1 ? `the argument ${list} was` : `the arguments ${list} were`;
  refuseMessage(`${which} pickled by Python (extra.can_not_json_serializable_keys). Send values that JSON has.`);
}

function wholeBody(body: JsonObject, signature: Signature, own: boolean): readonly unknown[] {
  if (signature.kind === "positional") checkTakesOne(signature);
  if (signature.kind === "positional" && signature.names.length === 0) return [];
  return [own ? withoutExtra(body) : body];
}

function convertBody(convert: Convert, raw: unknown): readonly unknown[] {
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
