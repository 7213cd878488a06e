/**
 * Attempts and crashes of a delivery. Temporal counts both in one number, so ours travel with our own failures and
 * heartbeats, and are looked up only where Temporal says that a message was delivered before.
 */
import { createForgetfulMap } from "../../../src/base/forgetful-map.ts";
import type { Delivery } from "../../../src/contract/index.ts";
import type { TemporalClient } from "../connect/client.ts";
import { isGone } from "../connect/errors.ts";
import { fromPayload, type Payload, type Payloads, toPayload } from "../connect/payload.ts";
import type { Failure } from "../connect/protocol.ts";
import type { ActivityTask } from "./activity-task.ts";

export type DeliveryCounts = Required<Pick<Delivery, "attempt" | "crashes">>;

/** A task that has come in, and how often it was tried. */
export interface Arrival {
  readonly task: ActivityTask;
  readonly counts: DeliveryCounts;
}

export const countsPayload = (counts: DeliveryCounts): Payload =>
  toPayload({ attempt: counts.attempt, crashes: counts.crashes });

export const firstCounts = ({ envelope }: ActivityTask): DeliveryCounts => ({
  attempt: envelope?.attempt ?? 1,
  crashes: 0,
});

export const isFresh = ({ attempt, crashes }: DeliveryCounts): boolean => attempt === 1 && crashes === 0;

/** Where a message of ours is found again: its workflow or its activity. */
const keyOf = ({ workflow, activityId, activityRunId }: ActivityTask): string =>
  `${workflow?.runId ?? ""}/${activityId}/${activityRunId}`;

export interface DeliveryCounter {
  of(task: ActivityTask): Promise<DeliveryCounts> | DeliveryCounts;
  /** What the delivery after this one will be, where it comes to this process again. */
  foretell(task: ActivityTask, counts: DeliveryCounts): void;
  /** It did not come to that: the server had taken the task away before. */
  forget(task: ActivityTask): void;
}

const mostForetold = 10_000;
const lookMs = 5_000;

export function createDeliveryCounter(client: TemporalClient): DeliveryCounter {
  const foretold = createForgetfulMap<string, { readonly delivery: number; readonly counts: DeliveryCounts }>(
    mostForetold,
  );
  return {
    of(task) {
      if (task.deliveries === 1) return firstCounts(task);
      const key = keyOf(task);
      const known = foretold.get(key);
      foretold.delete(key);
      return known?.delivery === task.deliveries ? known.counts : lookUp(client, task);
    },
    forget: (task) => foretold.delete(keyOf(task)),
    foretell: (task, counts) => foretold.set(keyOf(task), { delivery: task.deliveries + 1, counts }),
  };
}

interface LastDelivery {
  readonly lastFailure?: Failure | null;
  readonly heartbeatDetails?: Payloads | null;
}

async function lookUp(client: TemporalClient, task: ActivityTask): Promise<DeliveryCounts> {
  const { lastFailure, heartbeatDetails } = await client
    .bounded(lookMs, () => lastDeliveryOf(client, task))
    .catch((error: unknown): LastDelivery => {
      if (isGone(error)) return {}; // it ended meanwhile: its settlement will be refused
      throw error;
    });
  return countsAfter(lastFailure ?? undefined, countsIn(heartbeatDetails) ?? firstCounts(task));
}

/** `before`: of the last delivery that said so. */
export function countsAfter(failure: Failure | undefined, before: DeliveryCounts): DeliveryCounts {
  if (!failure) return before;
  if (failure.timeoutFailureInfo) return { attempt: before.attempt, crashes: before.crashes + 1 };
  return countsIn(failure.applicationFailureInfo?.details) ?? { attempt: before.attempt + 1, crashes: before.crashes };
}

function countsIn(details: Payloads | null | undefined): DeliveryCounts | undefined {
  const value = fromPayload(details?.payloads?.[0]) as Partial<DeliveryCounts> | null | undefined;
  return typeof value?.attempt === "number" && typeof value.crashes === "number"
    ? { attempt: value.attempt, crashes: value.crashes }
    : undefined;
}

async function lastDeliveryOf(
  { service, target: { namespace } }: TemporalClient,
  { workflow, activityId, activityRunId }: ActivityTask,
): Promise<LastDelivery> {
  if (!workflow) {
    const asked = {
      namespace,
      activityId,
      runId: activityRunId,
      includeLastFailure: true,
      includeHeartbeatDetails: true,
    };
    return (await service.describeActivityExecution(asked)).info ?? {};
  }
  const { pendingActivities } = await service.describeWorkflowExecution({ namespace, execution: workflow });
  return pendingActivities?.find((each) => each.activityId === activityId) ?? {};
}
