/** JSON text there and back, and bodies that are JSON text already. No digit of an integer is lost. */
import { parse as parseLossless, stringify as stringifyLossless } from "lossless-json";

/**
 * `JSON.parse`, but an integer whose digits a number would lose becomes a bigint: snowflake ids are common in messages
 * of other languages. What JavaScript wrote is the number that it was.
 */
export function parseJson(text: string): unknown {
  return /\d{16}/.test(text)
    ? parseLossless(text, null, { parseNumber, onDuplicateKey: ({ newValue }) => newValue })
    : JSON.parse(text);
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
  return body instanceof JsonText || (typeof body === "object" && body !== null && brand in body);
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
 * themselves, and would lose digits.
 */
export function asBody(body: unknown): JsonText | string {
  try {
    return new JsonText(JSON.stringify(body) ?? "null");
  } catch {
    return stringifyJson(body);
  }
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
