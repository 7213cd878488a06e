/** What an error of publish says was accepted, when one publish was made of several. */
import { toError } from "../base/errors.ts";

export function addAccepted(thrown: unknown, before: readonly string[]): Error {
  const error: Error & { accepted?: readonly string[] } = toError(thrown);
  return Object.assign(error, { accepted: [...before, ...(error.accepted ?? [])] });
}
