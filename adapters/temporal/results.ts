/**
 * Results as Temporal keeps them, for as long as its namespace does. All waits for one id share one long poll, and only
 * so many polls are open at once.
 */
import { sleep } from "../../src/base/clock.ts";
import type { Ended, ResultOptions } from "../../src/contract/index.ts";
import type { TemporalClient } from "./connect/client.ts";
import { isAway, isGone } from "./connect/errors.ts";
import { engineId, prefixOf } from "./connect/names.ts";
import { closeEvent } from "./connect/protocol.ts";
import { pauseMs } from "./connect/retries.ts";
import { endOf, endOfEvent, endOfFailure, endOfResult } from "./end.ts";
import { type Execution, findExecution, isOpen } from "./execution.ts";
import type { TemporalQueue } from "./queue.ts";

/** Of the 1,200 long polls that a server allows for a namespace. */
const mostPolls = 500;
/** Between two looks of a wait that has no long poll. */
const lookMs = 500;
/** Longer than the server holds a poll. */
const pollMs = 70_000;

interface Wait {
  readonly outcome: Promise<Ended | undefined>;
  readonly stop: AbortController;
  users: number;
}

/** One for each connection: the server's limit is for all queues. */
export interface ResultPolls {
  open: number;
}

export function createResults(queue: TemporalQueue, polls: ResultPolls) {
  const waits = new Map<string, Wait>();
  async function now(id: string, facts: boolean): Promise<Ended | undefined> {
    const execution = await findExecution(queue, id);
    return execution && !isOpen(execution) ? endOf(queue.client, execution, facts) : undefined;
  }
  async function result(id: string, { signal, facts }: ResultOptions): Promise<Ended | undefined> {
    if (!signal) return now(id, facts);
    signal.throwIfAborted();
    const wait = waits.get(id) ?? begin(id);
    wait.users++;
    try {
      const outcome = await Promise.race([wait.outcome, rejectOnAbort(signal)]);
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

function rejectOnAbort(signal: AbortSignal): Promise<never> {
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
      const execution = await findExecution(queue, id);
      if (!execution) return undefined;
      if (!isOpen(execution)) return await endOf(queue.client, execution, false);
      target = execution;
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

type Target = Pick<Execution, "kind" | "fullId" | "runId">;

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
      ? endOfResult(outcome.result.payloads?.[0])
      : outcome?.failure
        ? endOfFailure(outcome.failure)
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
  return last && endOfEvent(last);
}
