/** A row's arguments as text, for a person to read and to search in. */
import { inspect } from "node:util";

const longestArgs = 1_000;

/** As text, for a person to read and to search in. */
export function argsText(args: readonly unknown[]): string {
  const text = jsonOr(args, inspect);
  return text.length > longestArgs ? `${text.slice(0, longestArgs - 1)}…` : text;
}

/** What `convert` made need not be JSON. */
function jsonOr(value: unknown, other: (value: unknown) => string): string {
  try {
    return JSON.stringify(value);
  } catch {
    // a bigint, or worse
  }
  try {
    return JSON.stringify(value, (_, member: unknown) => (typeof member === "bigint" ? String(member) : member));
  } catch {
    return other(value);
  }
}
