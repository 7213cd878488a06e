/** The arguments of a call as members of a body, and back. */

import { describe, FunboostError } from "../base/errors.ts";
import { copyJson } from "../base/json-check.ts";
import type { JsonObject } from "../contract/index.ts";
import type { Signature } from "./signature.ts";

/** The members that carry `args`, copied. Throws BAD_ARGS. */
export function toMembers(signature: Signature, args: readonly unknown[], queue: string): JsonObject {
  return signature.kind === "object" ? objectBody(signature, args, queue) : namedBody(signature, args, queue);
}

function namedBody(signature: Signature, args: readonly unknown[], queue: string): JsonObject {
  const values = toValues(signature, args, queue);
  const body: JsonObject = {};
  for (let i = 0; i < values.length; i++) if (values[i] !== undefined) body[signature.names[i] as string] = values[i];
  return body;
}

/** What `args` give each name, copied; undefined: nothing. */
export function toValues(signature: Signature, args: readonly unknown[], queue: string): readonly unknown[] {
  const { names, rest, required } = signature;
  const plain = rest ? names.length - 1 : names.length;
  if (args.length > names.length && !rest)
    refuseArgs(queue, `got ${countText(args.length)}, takes ${countText(names.length)}${namesText(signature)}.`);
  const values: unknown[] = new Array(names.length);
  for (let i = 0; i < plain; i++) {
    const value = args[i];
    if (value !== undefined) {
      values[i] = typeof value === "string" ? value : copyJson(value, `args.${names[i]}`, queue);
    } else if (i < required) {
      const takes = `it takes ${countText(names.length)}${namesText(signature)}`;
      refuseArgs(queue, `"${names[i]}" is missing; ${takes}. Where it may be missing, declare it as "${names[i]}?".`);
    }
  }
  if (rest && args.length > plain) values[plain] = copyJson(args.slice(plain), `args.${names[plain]}`, queue);
  return values;
}

function objectBody(signature: Signature, args: readonly unknown[], queue: string): JsonObject {
  const [value] = args;
  if (args.length > 1) refuseArgs(queue, `got ${countText(args.length)}, takes one object.`);
  if (value === undefined && signature.required === 0) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value))
    refuseArgs(queue, `got ${describe(value)}, takes one object.`);
  const copy = copyJson(value, "args", queue) as JsonObject;
  if (Object.hasOwn(copy, "extra"))
    refuseArgs(queue, 'the object has a member "extra", which is funboost\'s own in a message. Rename it.');
  return copy;
}

export function checkOrder(order: unknown): asserts order is readonly string[] {
  if (!Array.isArray(order)) refuseMessage(`extra.order is ${describe(order)}. Needed: a list of names.`);
  for (const each of order)
    if (typeof each !== "string") refuseMessage(`extra.order holds ${describe(each)}. Needed: names.`);
}

/** By position: `order` names the members in the order of the arguments. */
export function bindByOrder(body: JsonObject, order: readonly string[], signature: Signature): readonly unknown[] {
  const args: unknown[] = [];
  for (const each of order) {
    if (each.startsWith("...")) args.push(...restOf(body, each.slice(3)));
    else args.push(memberOf(body, each));
  }
  trim(args);
  const takes = signature.kind === "object" ? 1 : signature.names.length;
  if (args.length > takes && !signature.rest)
    return refuseMessage(
      `it carries ${countText(args.length)} (${order.join(", ")}), ` +
        `and the task takes ${countText(takes)}${namesText(signature)}.`,
    );
  return args;
}

/** By name, where the task declares its names. `own`: the body has an `extra` of ours. `more`: other members may be. */
export function bindByName(body: JsonObject, signature: Signature, own: boolean, more = false): readonly unknown[] {
  const { names, rest, required } = signature;
  const plain = rest ? names.length - 1 : names.length;
  const args: unknown[] = [];
  let knownCount = own ? 1 : 0;
  for (let i = 0; i < plain; i++) {
    const name = names[i] as string;
    const value = memberOf(body, name);
    if (value === undefined && i < required)
      return refuseMessage(`the argument "${name}" is missing. Needed${namesText(signature)}; got ${keysOf(body)}.`);
    if (Object.hasOwn(body, name)) knownCount++;
    args.push(value);
  }
  if (rest) {
    if (Object.hasOwn(body, names[plain] as string)) knownCount++;
    args.push(...restOf(body, names[plain] as string));
  }
  if (!more && Object.keys(body).length > knownCount) {
    const unknown = Object.keys(body).filter((key) => !names.includes(key) && !(own && key === "extra"));
    return refuseMessage(
      `the task has no argument ${unknown.map((key) => `"${key}"`).join(", ")}. Allowed${namesText(signature)}.`,
    );
  }
  return trim(args);
}

/**
 * A body without an order of arguments is the whole argument of a task that takes one; a task that takes none ignores
 * it.
 */
export function checkTakesOne({ names, rest }: Signature): void {
  if (names.length === 0 || (names.length === 1 && !rest)) return;
  const list = names.map((name, index) => `"${rest && index === names.length - 1 ? "..." : ""}${name}"`).join(", ");
  const takes = rest ? "a list of arguments" : countText(names.length);
  refuseMessage(
    `the body has no "extra.order", so no push of this task sent it, and the task takes ${takes}. ` +
      `Declare params: [${list}] to bind members by name, or set "convert".`,
  );
}

function memberOf(body: JsonObject, name: string): unknown {
  return Object.hasOwn(body, name) ? body[name] : undefined;
}

function restOf(body: JsonObject, name: string): readonly unknown[] {
  const items = memberOf(body, name) ?? [];
  return Array.isArray(items)
    ? items
    : refuseMessage(`"${name}" is ${describe(items)}. Needed: a list, because it is a rest parameter.`);
}

/** Trailing arguments that were not sent: the function sees as many as its caller gave. */
function trim(args: unknown[]): readonly unknown[] {
  while (args.length > 0 && args[args.length - 1] === undefined) args.pop();
  return args;
}

function countText(count: number): string {
  return count === 1 ? "1 argument" : `${count} arguments`;
}

function namesText({ names }: Signature): string {
  return names.length > 0 ? `: ${names.join(", ")}` : "";
}

function keysOf(body: JsonObject): string {
  return Object.keys(body).join(", ").slice(0, 200) || "an empty object";
}

function refuseArgs(queue: string, text: string): never {
  throw new FunboostError("BAD_ARGS", text, { where: queue });
}

export function refuseMessage(reason: string, cause?: unknown): never {
  throw new FunboostError("BAD_MESSAGE", reason, cause === undefined ? undefined : { cause });
}
