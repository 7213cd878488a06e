/**
 * Attempts and crashes of a delivery. Temporal counts both in one number, so ours travel with our own failures and heartbeats, and are looked up only
 * where Temporal says that a message was delivered before.
 */
import { createForgetfulMap } from "../../../src/base/forgetful-map.ts";
import { isGone, type TemporalClient } from "../connect/client.ts";
import { type Failure, fromPayload, type Payload, type Payloads, toPayload } from "../connect/protocol.ts";
import type { Fate, Task } from "./activity-task.ts";

export const fatePayload = (fate: Fate): Payload => toPayload({ attempt: fate.attempt, crashes: fate.crashes });

export const firstFate = ({ envelope }: Task): Fate => ({ attempt: envelope?.attempt ?? 1, crashes: 0 });

export const isFresh = ({ attempt, crashes }: Fate): boolean => attempt === 1 && crashes === 0;

/** Where a message of ours is found again: its workflow or its activity. */
const keyOf = ({ workflow, activityId, activityRunId }: Task): string =>
  `${workflow?.runId ?? ""}/${activityId}/${activityRunId}`;

export interface Fates {
  of(task: Task): Promise<Fate> | Fate;
  /** What the delivery after this one will be, where it comes to this process again. */
  foretell(task: Task, fate: Fate): void;
  /** It did not come to that: the server had taken the task away before. */
  forget(task: Task): void;
}

const mostForetold = 10_000;
const lookMs = 5_000;

export function makeFates(client: TemporalClient): Fates {
  const foretold = createForgetfulMap<string, { readonly delivery: number; readonly fate: Fate }>(mostForetold);
  return {
    of(task) {
      if (task.deliveries === 1) return firstFate(task);
      const key = keyOf(task);
      const known = foretold.get(key);
      foretold.delete(key);
      return known?.delivery === task.deliveries ? known.fate : lookUp(client, task);
    },
    forget: (task) => foretold.delete(keyOf(task)),
    foretell: (task, fate) => foretold.set(keyOf(task), { delivery: task.deliveries + 1, fate }),
  };
}

interface Traces {
  readonly lastFailure?: Failure | null;
  readonly heartbeatDetails?: Payloads | null;
}

async function lookUp(client: TemporalClient, task: Task): Promise<Fate> {
  const { lastFailure, heartbeatDetails } = await client
    .bounded(lookMs, () => tracesOf(client, task))
    .catch((error: unknown): Traces => {
      if (isGone(error)) return {}; // it ended meanwhile: its settlement will be refused
      throw error;
    });
  return fateAfter(lastFailure ?? undefined, fateIn(heartbeatDetails) ?? firstFate(task));
}

/** `before`: of the last delivery that said so. */
export function fateAfter(failure: Failure | undefined, before: Fate): Fate {
  if (!failure) return before;
  if (failure.timeoutFailureInfo) return { attempt: before.attempt, crashes: before.crashes + 1 };
  return fateIn(failure.applicationFailureInfo?.details) ?? { attempt: before.attempt + 1, crashes: before.crashes };
}

function fateIn(details: Payloads | null | undefined): Fate | undefined {
  const value = fromPayload(details?.payloads?.[0]) as Partial<Fate> | null | undefined;
  return typeof value?.attempt === "number" && typeof value.crashes === "number"
    ? { attempt: value.attempt, crashes: value.crashes }
    : undefined;
}

async function tracesOf(
  { service, target: { namespace } }: TemporalClient,
  { workflow, activityId, activityRunId }: Task,
): Promise<Traces> {
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
