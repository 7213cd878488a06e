/** Why a publish was not accepted in full. */
import { isFunboostError, PublishError } from "../../src/base/errors.ts";

/**
 * `accepted`: ids of those of the `count` messages that are in the queue. Where none is, an error of ours says most.
 */
export function publishError(where: string, cause: Error, accepted: readonly string[], count: number): Error {
  if (accepted.length === 0 && isFunboostError(cause)) return cause;
  const text = `${count - accepted.length} of ${count} messages were not accepted: ${cause.message}`;
  return new PublishError(text, accepted, { where, cause });
}
