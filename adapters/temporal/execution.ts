/** One message as Temporal knows it: which kind it is, whether it runs, and in which state it is. */
import { clock } from "../../src/base/clock.ts";
import type { MessageState } from "../../src/contract/index.ts";
import { isGone } from "./connect/errors.ts";
import { engineId, prefixOf } from "./connect/names.ts";
import { epochMs, type Service, startedState, statuses } from "./connect/protocol.ts";
import type { Kind, TemporalQueue } from "./queue.ts";

type Workflow = Awaited<ReturnType<Service["describeWorkflowExecution"]>>;
type Activity = Awaited<ReturnType<Service["describeActivityExecution"]>>;

/** A message as Temporal last described it. */
export interface Execution {
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

export const isOpen = ({ status }: Execution): boolean => status === statuses.running;

/** The newest of this id; undefined where there is none. */
export async function findExecution(queue: TemporalQueue, id: string): Promise<Execution | undefined> {
  const fullId = engineId(prefixOf(queue.queue), id);
  const hint = queue.recent.kinds.get(id);
  if (hint) {
    const execution = await describeExecution(queue, hint, fullId);
    if (execution) return execution;
  }
  const kinds: Kind[] = queue.client.server.standalone ? ["activity", "workflow"] : ["workflow"];
  const known = (await Promise.all(kinds.map((kind) => describeExecution(queue, kind, fullId)))).filter(
    (each) => each !== undefined,
  );
  return known.sort((one, other) => Number(isOpen(other)) - Number(isOpen(one)) || other.startedAt - one.startedAt)[0];
}

export async function describeExecution(
  { client }: TemporalQueue,
  kind: Kind,
  fullId: string,
): Promise<Execution | undefined> {
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

function ofActivity(fullId: string, activity: Activity): Execution {
  const { info, runId } = activity;
  const waits =
    info?.runState === 1 && isLater(epochMs(info.nextAttemptScheduleTime), epochMs(info.lastAttemptCompleteTime))
      ? "delayed"
      : "waiting";
  const state = (info?.runState ?? 0) >= startedState ? "running" : waits;
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
  return time !== undefined && than !== undefined && time > than && time > clock.now();
}

function ofWorkflow(fullId: string, workflow: Workflow): Execution {
  const info = workflow.workflowExecutionInfo;
  const pending = workflow.pendingActivities?.[0];
  const startedAt = epochMs(info?.startTime) ?? 0;
  const due = epochMs(info?.executionTime) ?? startedAt;
  const waits =
    (!pending && due > clock.now()) ||
    isLater(epochMs(pending?.scheduledTime), epochMs(pending?.lastAttemptCompleteTime))
      ? "delayed"
      : "waiting";
  const state = (pending?.state ?? 0) >= startedState ? "running" : waits;
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

export function stateOf(execution: Execution | undefined): MessageState {
  if (!execution) return "unknown";
  if (isOpen(execution)) return execution.state;
  if (execution.status === statuses.completed) return "done";
  return execution.status === statuses.canceled || execution.status === statuses.terminated ? "unknown" : "failed";
}
