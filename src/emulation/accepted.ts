/** What an error of publish says was accepted, when one publish was made of several. */
import { acceptedOf, toError } from "../base/errors.ts";
import type { Published } from "../contract/index.ts";

export function addAccepted(error: unknown, before: readonly Published[]): Error {
  return Object.assign(toError(error), { accepted: [...before.map(({ id }) => id), ...acceptedOf(error)] });
}
