/** JSON text there and back, and bodies that are JSON text already. No digit of an integer is lost. */
import { randomUUID } from "node:crypto";
import { stringify as stringifyLossless } from "lossless-json";
import { FunboostError } from "./errors.ts";

/** Most digits in a row of one number, as in Python. What they cost grows with their square. */
export const maxDigits = 4_300;

/**
 * Levels of a text. Arguments have less; what is far deeper can be read and not be copied or written again, because all
 * that does so calls itself for each level.
 */
export const maxLevels = 1_100;

/** Begins the texts that stand for integers while JSON.parse works. Nobody else knows it. */
const mark = `${randomUUID().slice(0, 13)}:`;

/** What a long integer may be in, and what looks like one; no longer than what tells that it is too long. */
const found = new RegExp(`"|-?\\d{16,${maxDigits + 1}}`, "g");

/**
 * `JSON.parse`, but an integer whose digits a number would lose becomes a bigint: snowflake ids are common in messages
 * of other languages. What JavaScript wrote is the number that it was. Throws BAD_MESSAGE for a number of more than
 * `maxDigits` digits, and for more than `maxLevels` levels.
 */
export function parseJson(text: string): unknown {
  const value = readText(text);
  if (mayBeDeep(text)) checkLevels(value);
  return value;
}

function readText(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  const marked = markIntegers(text);
  if (marked === text) return JSON.parse(text);
  let value: unknown;
  try {
    value = JSON.parse(marked);
  } catch {
    return JSON.parse(text); // throws too, and says where in the text that is known
  }
  return readMarks(value);
}

/** The text, with texts for what only a bigint can hold. Each character is looked at once, by native searches. */
function markIntegers(text: string): string {
  found.lastIndex = 0;
  let marked = "";
  let from = 0;
  for (let match = found.exec(text); match; match = found.exec(text)) {
    const [part] = match;
    if (part === '"') {
      found.lastIndex = endOfString(text, match.index);
      continue;
    }
    checkDigits(part);
    if (!isInteger(text, part, match.index) || typeof parseNumber(part) === "number") continue;
    marked += `${text.slice(from, match.index)}"${mark}${part}"`;
    from = found.lastIndex;
  }
  return from === 0 ? text : marked + text.slice(from);
}

function checkDigits(part: string): void {
  if (part.length - (part.startsWith("-") ? 1 : 0) <= maxDigits) return;
  const text = `the body has a number of more than ${maxDigits} digits. Send it as a text.`;
  throw new FunboostError("BAD_MESSAGE", text, { prefix: false });
}

/** Nearly all texts are known to be flat enough by native searches. */
function mayBeDeep(text: string): boolean {
  if (text.length <= 2 * maxLevels) return false;
  let left = maxLevels;
  for (const open of "[{")
    for (let at = text.indexOf(open); at >= 0; at = text.indexOf(open, at + 1)) if (left-- === 0) return true;
  return false;
}

/** Level by level, which is quicker than to read the text once more. */
function checkLevels(value: unknown): void {
  let level: object[] = isObject(value) ? [value] : [];
  for (let levels = 1; level.length > 0; levels++) {
    if (levels > maxLevels) {
      const text = `the body is nested more than ${maxLevels} levels deep. Send a flatter one, or its JSON as a text.`;
      throw new FunboostError("BAD_MESSAGE", text, { prefix: false });
    }
    const next: object[] = [];
    for (const each of level) {
      if (Array.isArray(each)) {
        for (const item of each) if (isObject(item)) next.push(item);
      } else for (const key in each) if (isObject(each[key as never])) next.push(each[key as never]);
    }
    level = next;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Behind its closing quote. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text[end - 1 - slashes] === "\\") slashes++;
    if (slashes % 2 === 0) return end + 1;
  }
  return text.length;
}

/** A whole number in the place of a value: no fraction, exponent, leading zero or name of a member. */
function isInteger(text: string, part: string, index: number): boolean {
  if (part.startsWith("0") || part.startsWith("-0")) return false;
  if (index > 0 && ".eE+0123456789".includes(text.charAt(index - 1))) return false;
  let next = index + part.length;
  while (next < text.length && " \t\n\r".includes(text.charAt(next))) next++;
  return next === text.length || ",]}".includes(text.charAt(next));
}

/** Without recursion: JSON.parse takes any depth. */
function readMarks(value: unknown): unknown {
  const holder = { value };
  const stack: object[] = [holder];
  const read = (parent: Record<string | number, unknown>, key: string | number) => {
    const member = parent[key];
    if (isObject(member)) stack.push(member);
    else if (typeof member === "string" && member.startsWith(mark))
      parent[key] = parseNumber(member.slice(mark.length));
  };
  for (let each = stack.pop(); each; each = stack.pop()) {
    const parent = each as Record<string | number, unknown>;
    if (Array.isArray(each)) for (let i = 0; i < each.length; i++) read(parent, i);
    else for (const key of Object.keys(each)) read(parent, key);
  }
  return holder.value;
}

/** What a shared state holds under a key of ours. Undefined: nothing, or what others wrote there that is no JSON. */
export function readStored<T>(text: string | undefined): T | undefined {
  try {
    return text === undefined ? undefined : (parseJson(text) as T);
  } catch {
    return undefined;
  }
}

const brand = Symbol.for("funboost.json-text");

/** The JSON text of a body, made when its caller handed it over: what is done to the value later changes nothing. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  static {
    Object.defineProperty(JsonText.prototype, brand, { value: true });
  }

  /** Whoever takes it for a value gets the value. */
  toJSON(): unknown {
    return parseJson(this.text);
  }
}

/** Also of another copy of the package. */
function isJsonText(body: unknown): body is JsonText {
  return body instanceof JsonText || (isObject(body) && brand in body);
}

/** The JSON text of a message's body. */
export function bodyText(body: unknown): string {
  return isJsonText(body) ? body.text : (JSON.stringify(body) ?? "null");
}

/** The value of a message's body. */
export function bodyValue(body: unknown): unknown {
  return isJsonText(body) ? parseJson(body.text) : body;
}

/**
 * A body as engines can take it. One with a bigint goes as plain text: the clients of some engines parse JSON by
 * themselves, and would lose digits. Throws for what is too deep or no JSON.
 */
export function asBody(body: unknown): JsonText | string {
  let text: string;
  let isSafe = true;
  try {
    text = JSON.stringify(body) ?? "null";
  } catch {
    text = stringifyJson(body);
    isSafe = false;
  }
  if (mayBeDeep(text)) parseJson(text);
  return isSafe ? new JsonText(text) : text;
}

/** `JSON.stringify`, but a bigint is written as the integer that it is; `undefined` is null. */
export function stringifyJson(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "null";
  } catch (error) {
    if (!(error instanceof TypeError && error.message.includes("BigInt"))) throw error;
    return stringifyLossless(value) ?? "null";
  }
}

function parseNumber(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) || String(value) === text || !/^-?\d+$/.test(text) ? value : BigInt(text);
}
