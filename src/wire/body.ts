/** A body as it came: text or value, with or without its `extra`. */
import { describe, isFunboostError } from "../base/errors.ts";
import { bodyValue, parseJson, stringifyJson } from "../base/json.ts";
import type { JsonObject } from "../contract/index.ts";
import type { Extra } from "./limits.ts";

/** The JSON value of a text or of bytes, the text itself where it is no JSON; any other value as it is. */
export function parseBody(raw: unknown): unknown {
  const text = textOf(raw);
  if (text === undefined) return bodyValue(raw);
  const json = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  if (!/^\s*[[{"\-\dtfn]/.test(json)) return text;
  try {
    return parseJson(json);
  } catch {
    return text; // what only looks like JSON is text
  }
}

/** What `parseBody` answered, in a sentence, where it is no object. */
export function whatItIs(body: unknown): string {
  try {
    if (typeof body === "string") parseJson(body);
  } catch (error) {
    if (isFunboostError(error)) return error.message; // a number that is too long
  }
  return `the body is ${describe(body)}.`;
}

export function textOf(raw: unknown): string | undefined {
  if (typeof raw === "string") return raw;
  return raw instanceof Uint8Array
    ? Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString("utf8")
    : undefined;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function extraOf(body: unknown): Extra | undefined {
  return isObject(body) && Object.hasOwn(body, "extra") && isObject(body.extra) ? body.extra : undefined;
}

export function withoutExtra(body: JsonObject): JsonObject {
  const { extra: _, ...rest } = body;
  return rest;
}

/** What `withExtra` marked, as it was. */
export function originalOf(body: JsonObject): unknown {
  return (body.extra as Extra).is_raw === true ? body.raw : stringifyJson(withoutExtra(body));
}
