/** A row's arguments: as text, for a person to read and to search in; and whole, as JSON. */
import { inspect } from "node:util";
import { describe } from "../base/errors.ts";
import { stringifyJson } from "../base/json.ts";
import type { ArgsTexts } from "../options/record.ts";

export function argsTexts(args: readonly unknown[], whole: boolean | undefined): ArgsTexts {
  return { text: argsText(args), json: whole ? jsonOf(args) : undefined };
}

function jsonOf(args: readonly unknown[]): string | undefined {
  try {
    return stringifyJson(args);
  } catch {
    return undefined; // what `convert` made need not be JSON
  }
}

const longestArgs = 1_000;

/** As text, for a person to read and to search in. */
function argsText(args: readonly unknown[]): string {
  const text = textOf(args);
  return text.length > longestArgs ? `${text.slice(0, longestArgs - 1)}…` : text;
}

/** What `convert` made need not be JSON; what throws whatever is asked of it must not keep an end from being kept. */
function textOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    // a bigint, or worse
  }
  try {
    return JSON.stringify(value, (_, member: unknown) => (typeof member === "bigint" ? String(member) : member));
  } catch {
    // a circle
  }
  try {
    return inspect(value);
  } catch {
    return describe(value);
  }
}
