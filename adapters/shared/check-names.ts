/** Options may come from configuration, unseen by the compiler: names that nobody knows are refused. */
import { describe, FunboostError } from "../../src/base/errors.ts";

/** `of`: whose options they are, as the message names them. */
export function checkNames(where: string, options: unknown, allowed: readonly string[], of: string): void {
  const fault = faultOf(options, allowed);
  if (fault) throw new FunboostError("BAD_OPTION", `${of} ${fault}. Allowed: ${allowed.join(", ")}.`, { where });
}

function faultOf(options: unknown, allowed: readonly string[]): string | undefined {
  if (typeof options !== "object" || options === null) return `must be an object, got ${describe(options)}`;
  const unknown = Object.keys(options).find((name) => !allowed.includes(name));
  return unknown === undefined ? undefined : `has no "${unknown}"`;
}
