/** Which contract a store follows. */
import { describe, FunboostError } from "../base/errors.ts";
import type { Store } from "../contract/store.ts";

const format = 2;

/** A store of another format is refused by name: its calls would fail one by one. What is no store is not judged. */
export function checkFormat(store: unknown): void {
  const { format: found, name, timers } = (store ?? {}) as Partial<Omit<Store, "format">> & { format?: unknown };
  if (found === format || typeof timers?.lease !== "function") return;
  const which = found === undefined ? "no `format`, so it follows the first contract" : `\`format\` ${describe(found)}`;
  const todo = 'Update the package that it comes from, or write it to `Store` of "funboost/contract"';
  const text = `the store ${describe(name)} has ${which}; this funboost takes format ${format}. ${todo}.`;
  throw new FunboostError("BAD_OPTION", text);
}
