/** One task as a poll brought it: what is ours in it, and the delivery that it becomes. */
import type { Delivery } from "../../../src/contract/index.ts";
import { prefixOf } from "../connect/names.ts";
import { argumentOf, type Envelope, fromEnvelope } from "../connect/payload.ts";
import { durationMs, epochMs, type PollAnswer } from "../connect/protocol.ts";
import type { RecentMessage } from "../queue.ts";

export interface ActivityTask {
  readonly token: Uint8Array;
  /** Deliveries, this one included, as Temporal counts them. */
  readonly deliveries: number;
  /** Absent: a standalone activity. */
  readonly workflow?: { readonly workflowId: string; readonly runId: string };
  readonly activityId: string;
  readonly activityRunId: string;
  readonly args: readonly unknown[];
  readonly envelope: Envelope | undefined;
  /** Undefined: the server waits for no heartbeat. */
  readonly leaseMs: number | undefined;
  /** Giving it back would end it: its publisher allowed so many attempts, and each delivery is one. */
  readonly isLast: boolean;
  readonly answer: PollAnswer;
}

export function toActivityTask(answer: PollAnswer): ActivityTask {
  const { taskToken, attempt, workflowExecution, activityId, activityRunId, heartbeatTimeout, retryPolicy } = answer;
  const { workflowId, runId } = workflowExecution ?? {};
  const args = (answer.input?.payloads ?? []).map(argumentOf);
  const mostAttempts = retryPolicy?.maximumAttempts ?? 0;
  return {
    token: taskToken,
    deliveries: attempt,
    ...(workflowId ? { workflow: { workflowId, runId: runId ?? "" } } : {}),
    activityId,
    activityRunId,
    args,
    envelope: fromEnvelope(args[1]),
    leaseMs: durationMs(heartbeatTimeout) || undefined,
    isLast: mostAttempts > 0 && attempt >= mostAttempts,
    answer,
  };
}

/** `queue`: in which it waited. */
export function toDelivery(
  queue: string,
  task: ActivityTask,
  { attempt, crashes }: Required<Pick<Delivery, "attempt" | "crashes">>,
  signal: AbortSignal | undefined,
): Delivery {
  const { args, envelope, answer } = task;
  const publishedAt = envelope?.publishedAt ?? epochMs(answer.scheduledTime);
  return {
    id: idOf(queue, task),
    body: envelope || args.length < 2 ? args[0] : args,
    attempt,
    crashes,
    ahead: answer.priority?.priorityKey === 1,
    ...(publishedAt !== undefined && { publishedAt }),
    ...(signal && { signal }),
    native: answer,
  };
}

/** Of our own: the task's id. Of others: what Temporal calls it; a workflow of theirs may run many activities here. */
function idOf(queue: string, { workflow, activityId, answer }: ActivityTask): string {
  const prefix = prefixOf(queue);
  const fullId = workflow?.workflowId ?? activityId;
  const ours = fullId.startsWith(prefix) && (!workflow || answer.workflowType?.name === queue);
  if (ours) return fullId.slice(prefix.length);
  return workflow ? `${fullId}/${activityId}` : fullId;
}

export function recentOf({ workflow, activityId }: ActivityTask, at: number): RecentMessage {
  return { kind: workflow ? "workflow" : "activity", fullId: workflow?.workflowId ?? activityId, at };
}
