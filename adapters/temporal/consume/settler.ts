/**
 * How a delivery ends in Temporal's words. Each answer goes to the server by itself, and its own answer says whether it
 * came in time.
 */
import { sleep, within } from "../../../src/base/clock.ts";
import { serializeError } from "../../../src/base/errors.ts";
import type { Settlement } from "../../../src/contract/index.ts";
import type { TemporalClient } from "../connect/client.ts";
import { isGone, isTooLarge } from "../connect/errors.ts";
import { lostPayload, type Payload, toPayload } from "../connect/payload.ts";
import type { Service } from "../connect/protocol.ts";
import { pauseMs } from "../connect/retries.ts";
import type { Arrival, DeliveryCounter, DeliveryCounts } from "./delivery-counts.ts";
import { failureOf, type Unfinished } from "./failure.ts";

export interface Settler {
  /** Tries until the server has answered or `stop` aborts; false: it came too late. */
  settle(arrival: Arrival, settlement: Settlement, stop: AbortSignal): Promise<boolean>;
  /** Gives back at once, as if it had not been fetched. One try on each connection that may still be there. */
  giveBack(arrival: Arrival): Promise<void>;
  /** Ends what its publisher has cancelled before it ran. */
  endCancelled(arrival: Arrival): Promise<void>;
}

interface SettlerParts {
  readonly client: TemporalClient;
  /** Of a native connection, which does its work outside our thread. */
  service(): Service;
  readonly counter: DeliveryCounter;
  onTrouble(error: unknown): void;
}

const giveBackMs = 5_000;

export function createSettler(parts: SettlerParts): Settler {
  return {
    settle: (arrival, settlement, stop) => settle(parts, arrival, settlement, stop),
    giveBack: (arrival) => giveBack(parts, arrival),
    endCancelled: async (arrival) => void (await parts.service().respondActivityTaskCanceled(answerTo(parts, arrival))),
  };
}

async function settle(
  parts: SettlerParts,
  arrival: Arrival,
  settlement: Settlement,
  stop: AbortSignal,
): Promise<boolean> {
  let current = settlement;
  for (let tries = 0; !stop.aborted; tries++) {
    try {
      await send(parts, parts.service(), arrival, current);
      return true;
    } catch (error) {
      if (isGone(error)) {
        parts.counter.forget(arrival.task);
        return false;
      }
      parts.onTrouble(error);
      if (isTooLarge(error) && current.outcome === "done") current = tooLarge(current, error);
      await sleep(pauseMs(tries), { signal: stop, unref: true });
    }
  }
  return false;
}

async function giveBack(parts: SettlerParts, arrival: Arrival): Promise<void> {
  const { client, service } = parts;
  const returned: Settlement = { outcome: "returned" };
  try {
    await client.bounded(giveBackMs, () => send(parts, client.service, arrival, returned));
  } catch {
    // Its own client may be closed, while the native connection lives on for others; a call on one that goes down may
    // never end.
    await within(send(parts, service(), arrival, returned), giveBackMs, { unref: true });
  }
}

async function send(parts: SettlerParts, through: Service, arrival: Arrival, settlement: Settlement): Promise<unknown> {
  const answer = answerTo(parts, arrival);
  if (settlement.outcome === "done")
    return through.respondActivityTaskCompleted({
      ...answer,
      result: { payloads: [resultOf(settlement, parts.client.server.payloadLimit)] },
    });
  const next = nextCounts(settlement, arrival.counts);
  if (next) parts.counter.foretell(arrival.task, next);
  return through.respondActivityTaskFailed({ ...answer, failure: failureOf(arrival, settlement, next) });
}

const answerTo = ({ client: { target, identity } }: SettlerParts, { task }: Arrival) => ({
  namespace: target.namespace,
  identity,
  taskToken: task.token,
});

/** Undefined: there is no next delivery. */
function nextCounts(settlement: Unfinished, { attempt, crashes }: DeliveryCounts): DeliveryCounts | undefined {
  if (settlement.outcome === "failed") return undefined;
  return { attempt: settlement.outcome === "retry" ? attempt + 1 : attempt, crashes };
}

type Done = Extract<Settlement, { outcome: "done" }>;

function resultOf(settlement: Done, limit: number): Payload {
  const { result, record } = settlement;
  if (record?.lostAt !== undefined) return lostPayload({ ...record });
  let payload: Payload;
  try {
    payload = toPayload(result, record && { ...record });
  } catch (error) {
    // Its JSON is longer than a text can be, or it throws when it is read.
    return resultOf(tooLarge(settlement, error), limit);
  }
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
