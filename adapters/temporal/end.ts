/** How a message ended, as Temporal's own records tell it. */
import type { Ended, JsonObject } from "../../src/contract/index.ts";
import type { TemporalClient } from "./connect/client.ts";
import { fromPayload, lostOf, type Payload, recordOf } from "./connect/payload.ts";
import { closeEvent, epochMs, type Failure, type Service, statuses } from "./connect/protocol.ts";
import type { Execution } from "./execution.ts";

type History = Awaited<ReturnType<Service["getWorkflowExecutionHistory"]>>["history"];
type Event = NonNullable<NonNullable<History>["events"]>[number];

/** Why something was terminated: a waiter of what clear() removed is told so. */
export const removedReason = "removed by funboost before it started";
export const clearedReason = "removed by funboost's clear()";

/** `facts`: also what only the whole history tells. */
export async function endOf(client: TemporalClient, execution: Execution, facts: boolean): Promise<Ended> {
  const { status, activity, workflow } = execution;
  const closedAt = epochMs(activity?.info?.closeTime ?? workflow?.workflowExecutionInfo?.closeTime);
  if (status === statuses.canceled || (status === statuses.terminated && activity))
    return endOfCancel(closedAt, activity?.outcome?.failure?.message);
  const times = { publishedAt: execution.startedAt, ...(closedAt !== undefined && { endedAt: closedAt }) };
  if (activity) {
    const { outcome, info } = activity;
    const end =
      status === statuses.completed ? endOfResult(outcome?.result?.payloads?.[0]) : endOfFailure(outcome?.failure);
    return { ...times, ...(facts && end.attempts === undefined && { attempts: info?.attempt ?? 1 }), ...end };
  }
  return { ...times, ...(await workflowEnd(client, execution, facts && status === statuses.completed)) };
}

/** The last event says how it ended; what a run told beside its result is in the activity's. */
async function workflowEnd(
  { service, target: { namespace } }: TemporalClient,
  { fullId, runId }: Execution,
  facts: boolean,
): Promise<Ended> {
  const execution = { workflowId: fullId, runId };
  const { history } = await service.getWorkflowExecutionHistory({
    namespace,
    execution,
    ...(facts ? {} : { historyEventFilterType: closeEvent }),
  });
  const events = history?.events ?? [];
  const last = events.at(-1);
  const known: Partial<Ended> = facts ? factsIn(events) : {};
  const end: Ended = (last && endOfEvent(last)) ?? { status: "failed" };
  // A filtered one is done, to the workflow.
  return { ...known, ...end, ...(end.status === "done" && known.status ? { status: known.status } : {}) };
}

export function endOfEvent(event: Event): Ended | undefined {
  const completed = event.workflowExecutionCompletedEventAttributes;
  if (completed) return endOfResult(completed.result?.payloads?.[0]);
  if (event.workflowExecutionFailedEventAttributes)
    return endOfFailure(event.workflowExecutionFailedEventAttributes.failure);
  const terminated = event.workflowExecutionTerminatedEventAttributes;
  const isCancelled = terminated || event.workflowExecutionCanceledEventAttributes;
  return isCancelled ? endOfCancel(epochMs(event.eventTime), terminated?.reason) : undefined;
}

function factsIn(events: readonly Event[]): Partial<Ended> {
  const done = events.find((each) => each.activityTaskCompletedEventAttributes)?.activityTaskCompletedEventAttributes;
  const payload: Payload | undefined = done?.result?.payloads?.[0];
  const begun = events.find((each) => each.activityTaskStartedEventAttributes);
  if (!begun) return {};
  const startedAt = epochMs(begun.eventTime);
  return {
    attempts: begun.activityTaskStartedEventAttributes?.attempt ?? 1,
    ...(startedAt !== undefined && { startedAt }),
    ...recordOf(payload),
  };
}

/** From the result of an activity or a workflow. */
export function endOfResult(payload: Payload | undefined): Ended {
  const result = fromPayload(payload);
  const lost = lostOf(result);
  const record = { ...recordOf(payload), ...lost } as Partial<Ended>;
  return { ...record, status: record.status ?? "done", ...(lost || result === undefined ? {} : { result }) };
}

/** From a failure: our own record is in its details. */
export function endOfFailure(failure: Failure | null | undefined): Ended {
  if (!failure) return { status: "failed" };
  const { applicationFailureInfo, canceledFailureInfo, terminatedFailureInfo, cause } = failure;
  if (canceledFailureInfo || terminatedFailureInfo) return endOfCancel(undefined, failure.message);
  const record = fromPayload(applicationFailureInfo?.details?.payloads?.[0]) as Partial<Ended> | null | undefined;
  if (typeof record?.status === "string") return record as Ended;
  if (!applicationFailureInfo && cause) return endOfFailure(cause);
  const error: JsonObject = { name: applicationFailureInfo?.type || "Error", message: failure.message ?? "" };
  return { status: "failed", error: failure.stackTrace ? { ...error, stack: failure.stackTrace } : error };
}

function endOfCancel(at: number | undefined, reason: string | null | undefined): Ended {
  return {
    status: "cancelled",
    ...(at === undefined ? {} : { endedAt: at }),
    ...(reason === clearedReason ? { error: { name: "FunboostError", message: reason, code: "CLEARED" } } : {}),
  };
}
