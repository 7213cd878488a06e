/** What a run that was cancelled sees, and how a signal tells it. */
import { FunboostError, isFunboostError } from "../base/errors.ts";

export function cancelledError(queue: string): FunboostError {
  return new FunboostError("CANCELLED", "the task was cancelled.", { where: queue });
}

export function isCancel(signal: AbortSignal | undefined): boolean {
  const reason: unknown = signal?.reason;
  return isFunboostError(reason) && reason.code === "CANCELLED";
}
