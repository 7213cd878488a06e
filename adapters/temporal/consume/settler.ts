/** How a delivery ends in Temporal's words. Each answer goes to the server by itself, and its own answer says whether it came in time. */
import { sleep, within } from "../../../src/base/clock.ts";
import { serializeError } from "../../../src/base/errors.ts";
import type { JsonObject, Settlement } from "../../../src/contract/index.ts";
import { resultOrNull } from "../../shared/result-or-null.ts";
import { isGone, isTooLarge, pauseMs, type TemporalClient } from "../connect/client.ts";
import {
  benign,
  duration,
  type Failure,
  lostPayload,
  type Payload,
  type Service,
  toPayload,
} from "../connect/protocol.ts";
import type { Fate, Fated } from "./activity-task.ts";
import { type Fates, fatePayload } from "./delivery-counts.ts";

export interface Settler {
  /** Tries until the server has answered or `stop` aborts; false: it came too late. */
  settle(fated: Fated, settlement: Settlement, stop: AbortSignal): Promise<boolean>;
  /** Gives back at once, as if it had not been fetched. One try on each connection that may still be there. */
  giveBack(fated: Fated): Promise<void>;
  /** Ends what its publisher has cancelled before it ran. */
  endCancelled(fated: Fated): Promise<void>;
}

/** A failure that waits for the next attempt is cut by the server beyond 4 kB, with all that it says. */
const longestText = { message: 500, stack: 1_500 };
const longestFinal = { message: 10_000, stack: 10_000 };
/** The timeouts of a run are the server's: 0 would mean "not set". */
const soonestMs = 1;

const giveBackMs = 5_000;

/** `service`: of a native connection, which does its work outside our thread. */
export function makeSettler(
  client: TemporalClient,
  service: Service,
  fates: Fates,
  onTrouble: (error: unknown) => void,
): Settler {
  const { identity, target, server } = client;
  const common = ({ task }: Fated) => ({ namespace: target.namespace, identity, taskToken: task.token });
  const send = async (through: Service, fated: Fated, settlement: Settlement): Promise<unknown> => {
    if (settlement.outcome === "done")
      return through.respondActivityTaskCompleted({
        ...common(fated),
        result: { payloads: [resultOf(settlement, server.payloadLimit)] },
      });
    const next = nextFate(settlement, fated.fate);
    if (next) fates.foretell(fated.task, next);
    return through.respondActivityTaskFailed({ ...common(fated), failure: failureOf(fated, settlement, next) });
  };
  return {
    async settle(fated, settlement, stop) {
      let current = settlement;
      for (let tries = 0; !stop.aborted; tries++) {
        try {
          await send(service, fated, current);
          return true;
        } catch (error) {
          if (isGone(error)) {
            fates.forget(fated.task);
            return false;
          }
          onTrouble(error);
          if (isTooLarge(error) && current.outcome === "done") current = tooLarge(current, error);
          await sleep(pauseMs(tries), { signal: stop, unref: true });
        }
      }
      return false;
    },
    async giveBack(fated) {
      const returned: Settlement = { outcome: "returned" };
      try {
        await client.bounded(giveBackMs, () => send(client.service, fated, returned));
      } catch {
        // Its own client may be closed, while the native connection lives on for others; a call on one that goes down may never end.
        await within(send(service, fated, returned), giveBackMs, { unref: true });
      }
    },
    endCancelled: async (fated) => void (await service.respondActivityTaskCanceled(common(fated))),
  };
}

type Done = Extract<Settlement, { outcome: "done" }>;

function resultOf(settlement: Done, limit: number): Payload {
  const { result, record } = settlement;
  if (record?.lostAt !== undefined) return lostPayload({ ...record });
  const payload = toPayload(resultOrNull(result), record && { ...record });
  const bytes = payload.data?.length ?? 0;
  return bytes <= limit
    ? payload
    : resultOf(
        tooLarge(settlement, new Error(`it is ${bytes} bytes of JSON, and Temporal takes at most ${limit}`)),
        limit,
      );
}

/** The run is done, whatever its result: run again, it would be as large. */
function tooLarge({ record }: Done, error: unknown): Done {
  const reason = error instanceof Error ? error.message : String(error);
  return {
    outcome: "done",
    record: {
      ...(record ?? { status: "done" }),
      lostAt: "result",
      error: { ...serializeError(new Error(`result: ${reason}.`)) },
    },
  };
}

type Other = Exclude<Settlement, Done>;

/** Undefined: there is no next delivery. */
function nextFate(settlement: Other, { attempt, crashes }: Fate): Fate | undefined {
  if (settlement.outcome === "failed") return undefined;
  return { attempt: settlement.outcome === "retry" ? attempt + 1 : attempt, crashes };
}

function failureOf({ task }: Fated, settlement: Other, next: Fate | undefined): Failure {
  if (settlement.outcome === "failed") {
    const details = settlement.record ? [toPayload(fitting({ ...settlement.record }))] : [];
    return failure(settlement.error, longestFinal, { nonRetryable: true, details });
  }
  const details = next ? [fatePayload(next)] : [];
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

/** Half a surrogate pair, which a cut may leave, is no text to the native side: it would refuse the whole answer, each time. */
function cut(text: unknown, longest: number): string {
  return Buffer.from(String(text).slice(0, longest)).toString();
}

/** Errors hold stacks five deep; a huge message must not keep a task from ending. */
function fitting(record: JsonObject): JsonObject {
  if (JSON.stringify(record).length <= 500_000) return record;
  const { name, message } = record.error as { name?: unknown; message?: unknown };
  return { ...record, error: { name, message: String(message).slice(0, longestFinal.message) } };
}
