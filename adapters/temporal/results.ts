/** Results as Temporal keeps them, for as long as its namespace does. All waits for one id share one long poll, and only so many polls are open at once. */
import { sleep } from "../../src/base/clock.ts";
import type { Ended, ResultOptions } from "../../src/contract/index.ts";
import { isAway, isGone, pauseMs, type TemporalClient } from "./connect/client.ts";
import { ended, engineId, epochMs, type Payload, prefixOf, recordOf, type Service } from "./connect/protocol.ts";
import { cancelledAt, doneWith, type Found, failedWith, find, isOpen } from "./execution.ts";
import type { TemporalQueue } from "./queue.ts";

type History = Awaited<ReturnType<Service["getWorkflowExecutionHistory"]>>["history"];
type Event = NonNullable<NonNullable<History>["events"]>[number];

/** Of the 1,200 long polls that a server allows for a namespace. */
const mostPolls = 500;
/** Between two looks of a wait that has no long poll. */
const lookMs = 500;
/** Longer than the server holds a poll. */
const pollMs = 70_000;
const closeEvent = 2;

interface Wait {
  readonly outcome: Promise<Ended | undefined>;
  readonly stop: AbortController;
  users: number;
}

/** One for each connection: the server's limit is for all queues. */
export interface ResultPolls {
  open: number;
}

export function makeResults(queue: TemporalQueue, polls: ResultPolls) {
  const waits = new Map<string, Wait>();
  async function now(id: string, facts: boolean): Promise<Ended | undefined> {
    const found = await find(queue, id);
    return found && !isOpen(found) ? endedOf(queue.client, found, facts) : undefined;
  }
  async function result(id: string, { signal, facts }: ResultOptions): Promise<Ended | undefined> {
    if (!signal) return now(id, facts);
    signal.throwIfAborted();
    const wait = waits.get(id) ?? begin(id);
    wait.users++;
    try {
      const outcome = await Promise.race([wait.outcome, aborted(signal)]);
      return outcome?.status === "done" && facts && outcome.attempts === undefined ? await now(id, facts) : outcome;
    } finally {
      if (--wait.users === 0) wait.stop.abort();
    }
  }
  function begin(id: string): Wait {
    const stop = new AbortController();
    const outcome = untilEnded(queue, id, polls, stop.signal).finally(() => {
      if (waits.get(id) === wait) waits.delete(id);
    });
    outcome.catch(() => {}); // the last that waits may have left
    const wait: Wait = { outcome, stop, users: 0 };
    stop.signal.addEventListener("abort", () => waits.get(id) === wait && waits.delete(id), { once: true });
    waits.set(id, wait);
    return wait;
  }
  const call = (id: string, options: ResultOptions) =>
    result(id, options).catch((error: unknown) =>
      Promise.reject(options.signal?.aborted ? options.signal.reason : queue.client.explain(error)),
    );
  return { result: call, close: () => Array.from(waits.values(), ({ stop }) => stop.abort()) };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

/** Just published: its poll is the first call. Undefined: it is not known. */
async function untilEnded(
  queue: TemporalQueue,
  id: string,
  polls: ResultPolls,
  stop: AbortSignal,
): Promise<Ended | undefined> {
  const hint = queue.recent.kinds.get(id);
  let target: Target | undefined = hint && { kind: hint, fullId: engineId(prefixOf(queue.queue), id), runId: "" };
  for (let tries = 0; ; ) {
    try {
      const end = target && (await pollOnce(queue.client, target, polls, stop));
      if (end) return end;
      const found = await find(queue, id);
      if (!found) return undefined;
      if (!isOpen(found)) return await endedOf(queue.client, found, false);
      target = found;
      tries = 0;
    } catch (error) {
      stop.throwIfAborted();
      if (!isAway(error)) throw error;
      await sleep(pauseMs(tries++), { signal: stop }); // the server may be there again before the wait ends
    }
    stop.throwIfAborted();
  }
}

/** A long poll where one more is allowed, else a pause. */
async function pollOnce(
  client: TemporalClient,
  target: Target,
  polls: ResultPolls,
  stop: AbortSignal,
): Promise<Ended | undefined> {
  if (polls.open < mostPolls) return poll(client, target, polls, stop);
  await sleep(lookMs * (1 + Math.random()), { signal: stop });
  return undefined;
}

type Target = Pick<Found, "kind" | "fullId" | "runId">;

/** One long poll. Undefined: it has not ended, or only a look can tell how. */
async function poll(
  client: TemporalClient,
  target: Target,
  polls: ResultPolls,
  stop: AbortSignal,
): Promise<Ended | undefined> {
  polls.open++;
  try {
    return await client.bounded(pollMs, () => ask(client, target), stop);
  } catch (error) {
    if (!stop.aborted && !isGone(error)) throw error;
    return undefined;
  } finally {
    polls.open--;
  }
}

async function ask(
  { service, target: { namespace } }: TemporalClient,
  { kind, fullId, runId }: Target,
): Promise<Ended | undefined> {
  if (kind === "activity") {
    const { outcome } = await service.pollActivityExecution({ namespace, activityId: fullId, runId });
    return outcome?.result
      ? doneWith(outcome.result.payloads?.[0])
      : outcome?.failure
        ? failedWith(outcome.failure)
        : undefined;
  }
  const execution = { workflowId: fullId, runId };
  const { history } = await service.getWorkflowExecutionHistory({
    namespace,
    execution,
    waitNewEvent: true,
    historyEventFilterType: closeEvent,
  });
  const last = history?.events?.at(-1);
  return last && closedWith(last);
}

async function endedOf(client: TemporalClient, found: Found, facts: boolean): Promise<Ended> {
  const { status, activity, workflow } = found;
  const closedAt = epochMs(activity?.info?.closeTime ?? workflow?.workflowExecutionInfo?.closeTime);
  if (status === ended.canceled || status === ended.terminated) return cancelledAt(closedAt);
  const times = { publishedAt: found.startedAt, ...(closedAt !== undefined && { endedAt: closedAt }) };
  if (activity) {
    const { outcome, info } = activity;
    const end = status === ended.completed ? doneWith(outcome?.result?.payloads?.[0]) : failedWith(outcome?.failure);
    return { ...times, ...(facts && end.attempts === undefined && { attempts: info?.attempt ?? 1 }), ...end };
  }
  return { ...times, ...(await workflowEnd(client, found, facts && status === ended.completed)) };
}

/** The last event says how it ended; what a run told beside its result is in the activity's. */
async function workflowEnd(
  { service, target: { namespace } }: TemporalClient,
  { fullId, runId }: Found,
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
  const end: Ended = (last && closedWith(last)) ?? { status: "failed" };
  return { ...known, ...end, ...(end.status === "done" && known.status ? { status: known.status } : {}) }; // a filtered one is done, to the workflow
}

function closedWith(event: Event): Ended | undefined {
  const completed = event.workflowExecutionCompletedEventAttributes;
  if (completed) return doneWith(completed.result?.payloads?.[0]);
  if (event.workflowExecutionFailedEventAttributes)
    return failedWith(event.workflowExecutionFailedEventAttributes.failure);
  const cancelled = event.workflowExecutionCanceledEventAttributes ?? event.workflowExecutionTerminatedEventAttributes;
  return cancelled ? cancelledAt(epochMs(event.eventTime)) : undefined;
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
