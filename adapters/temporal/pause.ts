/** The flag that says that a queue is paused. */
import { isGone } from "./connect/errors.ts";
import { pauseName } from "./connect/names.ts";
import { statuses, useExisting } from "./connect/protocol.ts";
import type { TemporalQueue } from "./queue.ts";

const flagOf = (queue: string) => `${pauseName}:${queue}`;

/**
 * The flag is an open workflow that nobody carries forward: every process sees it, it survives restarts, and Temporal's
 * UI shows it.
 */
export async function setPaused({ client, queue }: TemporalQueue, paused: boolean): Promise<void> {
  const { service, identity, target } = client;
  const workflowId = flagOf(queue);
  if (paused) {
    const request = {
      namespace: target.namespace,
      identity,
      workflowId,
      workflowType: { name: pauseName },
      taskQueue: { name: pauseName },
    };
    await service.startWorkflowExecution({
      ...request,
      requestId: `${workflowId}-${Math.random()}`,
      workflowIdConflictPolicy: useExisting,
    });
    return;
  }
  const request = { namespace: target.namespace, identity, workflowExecution: { workflowId }, reason: "resumed" };
  await service
    .terminateWorkflowExecution(request)
    .catch((error: unknown) => (isGone(error) ? undefined : Promise.reject(error)));
}

export async function isPaused({ client, queue }: TemporalQueue): Promise<boolean> {
  const { service, target } = client;
  try {
    const execution = { workflowId: flagOf(queue) };
    return (
      (await service.describeWorkflowExecution({ namespace: target.namespace, execution })).workflowExecutionInfo
        ?.status === statuses.running
    );
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}
