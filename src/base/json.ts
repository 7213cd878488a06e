/** JSON text there and back, integers above 2^53 whole. */
import { parse as parseLossless, stringify as stringifyLossless } from "lossless-json";

/** `JSON.parse`, but integers above 2^53 become bigint: snowflake ids are common in messages of other languages. */
export function parseJson(text: string): unknown {
  return /\d{16}/.test(text)
    ? parseLossless(text, null, { parseNumber, onDuplicateKey: ({ newValue }) => newValue })
    : JSON.parse(text);
}

/** A body as engines can take it: one with a bigint, which came as text, goes on as text. */
export function asBody<T extends object>(body: T): T | string {
  try {
    JSON.stringify(body);
    return body;
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
  return Number.isSafeInteger(value) || !/^-?\d+$/.test(text) ? value : BigInt(text);
}
