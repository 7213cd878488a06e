/**
 * The workflow that carries one message: it runs the activity that is named like itself, once, and answers what that
 * answers. It is only ever bundled for Temporal's sandbox. Histories replay it for as long as a message waits: what it
 * does may be added to, never changed.
 */
import { ApplicationFailure, proxyActivities, workflowInfo } from "@temporalio/workflow";

interface Envelope {
  readonly funboost?: { readonly leaseMs?: number };
}

type Activity = (...args: unknown[]) => Promise<unknown>;

/**
 * Serves every workflow type of its task queue: the type is the name of the task's queue, so that Temporal's UI can
 * filter by it.
 */
// biome-ignore lint/style/noDefaultExport: so Temporal finds the workflow for any type
export default async function boostTask(...args: unknown[]): Promise<unknown> {
  const { workflowType } = workflowInfo();
  const envelope = args[1] as Envelope | null | undefined;
  if (args.length === 0)
    throw ApplicationFailure.nonRetryable(`A task of "${workflowType}" needs one argument: its body.`, "BadMessage");
  const activities = proxyActivities<Record<string, Activity>>({
    taskQueue: workflowType,
    heartbeatTimeout: envelope?.funboost?.leaseMs ?? 15_000,
    startToCloseTimeout: "3650 days",
    retry: { initialInterval: 50, backoffCoefficient: 1, maximumInterval: 1_000 },
  });
  return (activities[workflowType] as Activity)(...args);
}
