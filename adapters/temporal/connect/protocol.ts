/** Temporal's words on the wire: requests, times, enums. */
import type { Connection } from "@temporalio/client";

export type Service = Connection["workflowService"];
export type Start = Parameters<Service["startActivityExecution"]>[0];
export type Failure = NonNullable<Parameters<Service["respondActivityTaskFailed"]>[0]["failure"]>;
export type Time = NonNullable<Start["heartbeatTimeout"]>;
export type PollAnswer = Awaited<ReturnType<Service["pollActivityTaskQueue"]>>;

export function duration(ms: number): Time {
  const whole = Math.ceil(ms);
  return { seconds: Math.floor(whole / 1_000) as never, nanos: (whole % 1_000) * 1e6 };
}

export const durationMs = (time: Time | null | undefined): number => epochMs(time) ?? 0;

/** Epoch milliseconds. */
export function epochMs(time: { seconds?: unknown; nanos?: number | null } | null | undefined): number | undefined {
  return time ? Number(time.seconds ?? 0) * 1_000 + Math.floor((time.nanos ?? 0) / 1e6) : undefined;
}

/** A run may last for weeks: its timeouts are the core's business. */
export const longestRun: Time = { seconds: (10 * 365 * 86_400) as never };

/** Enough for a server that stumbles; the core decides what is final. */
export const retryPolicy: NonNullable<Start["retryPolicy"]> = {
  initialInterval: duration(50),
  backoffCoefficient: 1,
  maximumInterval: duration(1_000),
  maximumAttempts: 0,
};

/** Of a workflow or a standalone activity. */
export const statuses = { running: 1, completed: 2, failed: 3, canceled: 4, terminated: 5 } as const;
/** From this state on an activity runs; before it, it waits. */
export const startedState = 2;
export const useExisting = 2;
export const allowDuplicate = 1;
export const rejectDuplicate = 3;
export const benign = 1;
/** Of a history, the event that closes it. */
export const closeEvent = 2;
