/** What an error of publish says was accepted, when one publish was made of several. */
import { acceptedOf, toError } from "../base/errors.ts";

export function addAccepted(thrown: unknown, before: readonly string[]): Error {
  const error = toError(thrown);
  return Object.assign(error, { accepted: [...before, ...acceptedOf(error)] });
}
