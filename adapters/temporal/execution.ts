/** One message as Temporal knows it: which kind it is, whether it runs, how it ended. */
import type { Ended, JsonObject, MessageState } from "../../src/contract/index.ts";
import { isGone } from "./connect/client.ts";
import {
  ended,
  engineId,
  epochMs,
  type Failure,
  fromPayload,
  lostOf,
  type Payload,
  prefixOf,
  recordOf,
  running,
  type Service,
  started,
} from "./connect/protocol.ts";
import type { Kind, TemporalQueue } from "./queue.ts";

type Workflow = Awaited<ReturnType<Service["describeWorkflowExecution"]>>;
type Activity = Awaited<ReturnType<Service["describeActivityExecution"]>>;

/** What a look at one message found. */
export interface Found {
  readonly kind: Kind;
  readonly fullId: string;
  readonly runId: string;
  readonly status: number;
  /** Of an open one. */
  readonly state: "waiting" | "delayed" | "running";
  readonly startedAt: number;
  readonly workflow?: Workflow;
  readonly activity?: Activity;
}

export const isOpen = ({ status }: Found): boolean => status === running;

/** The newest of this id; undefined where there is none. */
export async function find(queue: TemporalQueue, id: string): Promise<Found | undefined> {
  const fullId = engineId(prefixOf(queue.queue), id);
  const hint = queue.recent.kinds.get(id);
  if (hint) {
    const found = await look(queue, hint, fullId);
    if (found) return found;
  }
  const kinds: Kind[] = queue.client.server.standalone ? ["activity", "workflow"] : ["workflow"];
  const found = (await Promise.all(kinds.map((kind) => look(queue, kind, fullId)))).filter(
    (each) => each !== undefined,
  );
  return found.sort((one, other) => Number(isOpen(other)) - Number(isOpen(one)) || other.startedAt - one.startedAt)[0];
}

export async function look({ client }: TemporalQueue, kind: Kind, fullId: string): Promise<Found | undefined> {
  const { namespace } = client.target;
  try {
    if (kind === "activity") {
      return ofActivity(
        fullId,
        await client.service.describeActivityExecution({
          namespace,
          activityId: fullId,
          includeOutcome: true,
          includeInput: true,
        }),
      );
    }
    return ofWorkflow(
      fullId,
      await client.service.describeWorkflowExecution({ namespace, execution: { workflowId: fullId } }),
    );
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function ofActivity(fullId: string, activity: Activity): Found {
  const { info, runId } = activity;
  const waits =
    info?.runState === 1 && isLater(epochMs(info.nextAttemptScheduleTime), epochMs(info.lastAttemptCompleteTime))
      ? "delayed"
      : "waiting";
  const state = (info?.runState ?? 0) >= started ? "running" : waits;
  return {
    kind: "activity",
    fullId,
    runId: runId ?? info?.runId ?? "",
    status: info?.status ?? 0,
    state,
    startedAt: epochMs(info?.scheduleTime) ?? 0,
    activity,
  };
}

/** In the server's own times: ours may differ. */
function isLater(time: number | undefined, than: number | undefined): boolean {
  return time !== undefined && than !== undefined && time > than && time > Date.now();
}

function ofWorkflow(fullId: string, workflow: Workflow): Found {
  const info = workflow.workflowExecutionInfo;
  const pending = workflow.pendingActivities?.[0];
  const startedAt = epochMs(info?.startTime) ?? 0;
  const due = epochMs(info?.executionTime) ?? startedAt;
  const waits =
    (!pending && due > Date.now()) ||
    isLater(epochMs(pending?.scheduledTime), epochMs(pending?.lastAttemptCompleteTime))
      ? "delayed"
      : "waiting";
  const state = (pending?.state ?? 0) >= started ? "running" : waits;
  return {
    kind: "workflow",
    fullId,
    runId: info?.execution?.runId ?? "",
    status: info?.status ?? 0,
    state,
    startedAt,
    workflow,
  };
}

export function stateOf(found: Found | undefined): MessageState {
  if (!found) return "unknown";
  if (isOpen(found)) return found.state;
  if (found.status === ended.completed) return "done";
  return found.status === ended.canceled || found.status === ended.terminated ? "unknown" : "failed";
}

/** From the result of an activity or a workflow. */
export function doneWith(payload: Payload | undefined): Ended {
  const result = fromPayload(payload);
  const lost = lostOf(result);
  const record = { ...recordOf(payload), ...lost } as Partial<Ended>;
  return { ...record, status: record.status ?? "done", ...(lost || result === undefined ? {} : { result }) };
}

/** From a failure: our own record is in its details. */
export function failedWith(failure: Failure | null | undefined): Ended {
  if (!failure) return { status: "failed" };
  const { applicationFailureInfo, canceledFailureInfo, terminatedFailureInfo, cause } = failure;
  if (canceledFailureInfo || terminatedFailureInfo) return { status: "cancelled" };
  const record = fromPayload(applicationFailureInfo?.details?.payloads?.[0]) as Partial<Ended> | null | undefined;
  if (typeof record?.status === "string") return record as Ended;
  if (!applicationFailureInfo && cause) return failedWith(cause);
  const error: JsonObject = { name: applicationFailureInfo?.type || "Error", message: failure.message ?? "" };
  return { status: "failed", error: failure.stackTrace ? { ...error, stack: failure.stackTrace } : error };
}

export function cancelledAt(at: number | undefined): Ended {
  return at === undefined ? { status: "cancelled" } : { status: "cancelled", endedAt: at };
}
