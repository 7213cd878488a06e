/**
 * Attempts and crashes of a delivery. Temporal counts both in one number, so ours travel with our own failures and heartbeats, and are looked up only
 * where Temporal says that a message was delivered before.
 */
import type { Info } from "@temporalio/activity";
import { isGone, type TemporalClient } from "./client.ts";
import { type Failure, fromEnvelope, fromPayload, type Payload, type Payloads, toPayload } from "./protocol.ts";

export interface Fate {
  readonly attempt: number;
  readonly crashes: number;
}

export const fatePayload = (fate: Fate): Payload => toPayload({ attempt: fate.attempt, crashes: fate.crashes });

export const isFresh = ({ attempt, crashes }: Fate): boolean => attempt === 1 && crashes === 0;

/** Where a message of ours is found again: its workflow or its activity. */
export const keyOf = ({ workflowExecution, activityId, activityRunId }: Info): string =>
  `${workflowExecution?.runId ?? ""}/${activityId}/${activityRunId ?? ""}`;

export interface Fates {
  of(info: Info, args: readonly unknown[]): Promise<Fate> | Fate;
  /** What the delivery after this one will be, where it comes to this process again. */
  foretell(info: Info, fate: Fate): void;
}

const mostForetold = 10_000;

export function makeFates(client: TemporalClient): Fates {
  const foretold = new Map<string, { readonly delivery: number; readonly fate: Fate }>();
  return {
    of(info, args) {
      const first: Fate = { attempt: fromEnvelope(args[1])?.attempt ?? 1, crashes: 0 };
      if (info.attempt === 1) return first;
      const key = keyOf(info);
      const known = foretold.get(key);
      foretold.delete(key);
      return known?.delivery === info.attempt ? known.fate : lookUp(client, info, first);
    },
    foretell(info, fate) {
      foretold.set(keyOf(info), { delivery: info.attempt + 1, fate });
      const [oldest] = foretold.keys();
      if (foretold.size > mostForetold && oldest !== undefined) foretold.delete(oldest);
    },
  };
}

interface Traces {
  readonly lastFailure?: Failure | null;
  readonly heartbeatDetails?: Payloads | null;
}

async function lookUp(client: TemporalClient, info: Info, first: Fate): Promise<Fate> {
  const { lastFailure, heartbeatDetails } = await tracesOf(client, info).catch((error: unknown): Traces => {
    if (isGone(error)) return {}; // it ended meanwhile: its settlement will be refused
    throw error;
  });
  return fateAfter(lastFailure ?? undefined, fateIn(heartbeatDetails) ?? first);
}

/** `before`: of the last delivery that said so. */
export function fateAfter(failure: Failure | undefined, before: Fate): Fate {
  if (!failure) return before;
  if (failure.timeoutFailureInfo) return { attempt: before.attempt, crashes: before.crashes + 1 };
  return fateIn(failure.applicationFailureInfo?.details) ?? { attempt: before.attempt + 1, crashes: before.crashes };
}

function fateIn(details: Payloads | null | undefined): Fate | undefined {
  const value = fromPayload(details?.payloads?.[0]) as Partial<Fate> | null | undefined;
  return typeof value?.attempt === "number" && typeof value.crashes === "number" ? { attempt: value.attempt, crashes: value.crashes } : undefined;
}

async function tracesOf({ service, target: { namespace } }: TemporalClient, info: Info): Promise<Traces> {
  const { workflowExecution, activityId, activityRunId } = info;
  if (!workflowExecution) {
    const asked = { namespace, activityId, runId: activityRunId ?? "", includeLastFailure: true, includeHeartbeatDetails: true };
    return (await service.describeActivityExecution(asked)).info ?? {};
  }
  const { pendingActivities } = await service.describeWorkflowExecution({ namespace, execution: workflowExecution });
  return pendingActivities?.find((each) => each.activityId === activityId) ?? {};
}
