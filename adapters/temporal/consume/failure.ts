/** A settlement as a failure in Temporal's words: what is said of the error, and what the next delivery must know. */
import type { JsonObject, Settlement } from "../../../src/contract/index.ts";
import { type Payload, toPayload } from "../connect/payload.ts";
import { benign, duration, type Failure } from "../connect/protocol.ts";
import { type Arrival, countsPayload, type DeliveryCounts } from "./delivery-counts.ts";

/** Every settlement but "done". */
export type Unfinished = Exclude<Settlement, { outcome: "done" }>;

/** A failure that waits for the next attempt is cut by the server beyond 4 kB, with all that it says. */
const longestText = { message: 500, stack: 1_500 };
const longestFinal = { message: 10_000, stack: 10_000 };
/** The timeouts of a run are the server's: 0 would mean "not set". */
const soonestMs = 1;

/** `next`: the counts of the next delivery, where there is one. */
export function failureOf({ task }: Arrival, settlement: Unfinished, next: DeliveryCounts | undefined): Failure {
  if (settlement.outcome === "failed") {
    const details = settlement.record ? [toPayload(shorten({ ...settlement.record }))] : [];
    return failure(settlement.error, longestFinal, { nonRetryable: true, details });
  }
  const details = next ? [countsPayload(next)] : [];
  if (settlement.outcome === "retry")
    return failure(settlement.error, longestText, { details, delayMs: settlement.delayMs });
  const delayMs = settlement.outcome === "postponed" ? settlement.delayMs : 0;
  const why = task.isLast
    ? "ended unrun: its consumer closed, and its publisher allowed no other delivery"
    : "it comes again";
  const error = Object.assign(new Error(`${settlement.outcome} by funboost: ${why}`), { name: "funboost", stack: "" });
  return failure(error, longestText, { details, delayMs, category: benign });
}

interface Rest {
  readonly nonRetryable?: boolean;
  readonly details: Payload[];
  readonly delayMs?: number;
  readonly category?: typeof benign;
}

function failure(
  error: Error,
  longest: typeof longestText,
  { nonRetryable = false, details, delayMs, category }: Rest,
): Failure {
  const { name, message, stack = "" } = error;
  return {
    message: cut(message, longest.message),
    stackTrace: cut(stack, longest.stack),
    source: "TypeScriptSDK",
    applicationFailureInfo: {
      type: cut(name, 200),
      nonRetryable,
      details: { payloads: details },
      ...(delayMs !== undefined && { nextRetryDelay: duration(Math.max(soonestMs, delayMs)) }),
      ...(category !== undefined && { category }),
    },
  };
}

/**
 * Half a surrogate pair, which a cut may leave, is no text to the native side: it would refuse the whole answer, each
 * time.
 */
function cut(text: unknown, longest: number): string {
  return Buffer.from(String(text).slice(0, longest)).toString();
}

/** Errors hold stacks five deep; a huge message must not keep a task from ending. */
function shorten(record: JsonObject): JsonObject {
  if (JSON.stringify(record).length <= 500_000) return record;
  const { name, message } = record.error as { name?: unknown; message?: unknown };
  return { ...record, error: { name, message: String(message).slice(0, longestFinal.message) } };
}
