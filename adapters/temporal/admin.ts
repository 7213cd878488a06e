/** What can be asked of a whole queue: counting, looking, clearing, cancelling, pausing. */
import { clock, sleep } from "../../src/base/clock.ts";
import type { BrokerQueue, Counts, Peeked } from "../../src/contract/index.ts";
import { isGone, isOver } from "./connect/errors.ts";
import { createLimit } from "./connect/limit.ts";
import { prefixOf, quoted } from "./connect/names.ts";
import { fromPayload } from "./connect/payload.ts";
import { clearedReason, removedReason } from "./end.ts";
import { describeExecution, type Execution, findExecution, isOpen, stateOf } from "./execution.ts";
import { isPaused, setPaused } from "./pause.ts";
import type { TemporalQueue } from "./queue.ts";
import { countOf, kindsOf, listOpen, lookAgainMs, queryOf, untilVisible } from "./visibility.ts";

const callMs = 10_000;
const flagMs = 5_000;
const atOnce = 50;
const clearMs = 10_000;

export interface Admin
  extends Required<
    Pick<BrokerQueue, "count" | "clear" | "peek" | "cancel" | "askToEnd" | "state" | "setPaused" | "paused">
  > {}

/** `held`: what this process runs. */
export function createAdmin(queue: TemporalQueue, held: () => number): Admin {
  const { client } = queue;
  const call = <T>(ms: number, run: () => Promise<T>): Promise<T> =>
    client.bounded(ms, run).catch((error: unknown) => Promise.reject(client.explain(error)));
  return {
    count: () => call(callMs, () => count(queue, held())),
    clear: () => call(callMs * 3, () => clear(queue)),
    peek: (n) => call(callMs, () => peek(queue, n)),
    cancel: (ids) => call(callMs * 3, () => cancel(queue, ids)),
    askToEnd: (ids) => call(callMs * 3, () => askToEnd(queue, ids)),
    state: (id) => call(callMs, async () => stateOf(await findExecution(queue, id))),
    setPaused: (paused) => call(callMs, () => setPaused(queue, paused)),
    paused: () => call(flagMs, () => isPaused(queue)),
  };
}

/** What others run cannot be told from what waits. */
async function count(queue: TemporalQueue, held: number): Promise<Counts> {
  await untilVisible(queue);
  const later = `AND ExecutionTime > ${quoted(new Date().toISOString())}`;
  const open = kindsOf(queue).map((kind) => countOf(queue.client, kind, queryOf(queue, kind)));
  const due = queue.client.server.standaloneDelay ? kindsOf(queue) : (["workflow"] as const);
  const waiting = due.map((kind) => countOf(queue.client, kind, `${queryOf(queue, kind)} ${later}`));
  const [all, delayed] = await Promise.all([sum(open), sum(waiting)]);
  return { ready: Math.max(0, all - delayed - held), delayed };
}

async function sum(numbers: readonly Promise<number>[]): Promise<number> {
  return (await Promise.all(numbers)).reduce((one, other) => one + other, 0);
}

/** Until a list shows nothing more than what runs. */
async function clear(queue: TemporalQueue): Promise<void> {
  await untilVisible(queue);
  const slot = createLimit(atOnce);
  for (const from = clock.monotonic(); clock.monotonic() - from < clearMs; await sleep(lookAgainMs)) {
    let left = 0;
    for (const kind of kindsOf(queue)) {
      const ids: string[] = [];
      for await (const id of listOpen(queue, kind)) ids.push(id);
      const outcomes = await Promise.all(
        ids.map((id) => slot(async () => removeOne(queue, await describeExecution(queue, kind, id), clearedReason))),
      );
      left += outcomes.filter((how) => how !== "runs").length;
    }
    if (left === 0) return;
  }
}

/** Takes one out that has not started. */
async function removeOne(
  { client }: TemporalQueue,
  execution: Execution | undefined,
  reason: string,
): Promise<"removed" | "runs" | "over"> {
  if (!execution || !isOpen(execution)) return "over";
  if (execution.state === "running") return "runs";
  const { service, identity, target } = client;
  const { fullId, runId } = execution;
  const common = { namespace: target.namespace, identity, reason };
  try {
    if (execution.kind === "activity")
      await service.terminateActivityExecution({ ...common, activityId: fullId, runId, requestId: `${runId}-removed` });
    else await service.terminateWorkflowExecution({ ...common, workflowExecution: { workflowId: fullId, runId } });
    return "removed";
  } catch (error) {
    if (isGone(error) || isOver(error)) return "over";
    throw error;
  }
}

async function cancel(queue: TemporalQueue, ids: readonly string[]): Promise<string[]> {
  const slot = createLimit(atOnce);
  const how = await Promise.all(
    ids.map((id) => slot(async () => removeOne(queue, await findExecution(queue, id), removedReason))),
  );
  return ids.filter((_, i) => how[i] === "removed");
}

/** Temporal's own cancellation: told in the answer to the run's next heartbeat. */
async function askToEnd(queue: TemporalQueue, ids: readonly string[]): Promise<string[]> {
  const slot = createLimit(atOnce);
  const asked = await Promise.all(ids.map((id) => slot(async () => askOne(queue, await findExecution(queue, id)))));
  return ids.filter((_, i) => asked[i]);
}

async function askOne({ client }: TemporalQueue, execution: Execution | undefined): Promise<boolean> {
  if (!execution || !isOpen(execution)) return false;
  const { service, identity, target } = client;
  const { fullId, runId } = execution;
  const common = {
    namespace: target.namespace,
    identity,
    requestId: `${runId}-cancel`,
    reason: "cancelled by funboost",
  };
  try {
    if (execution.kind === "activity")
      await service.requestCancelActivityExecution({ ...common, activityId: fullId, runId });
    else await service.requestCancelWorkflowExecution({ ...common, workflowExecution: { workflowId: fullId, runId } });
    return true;
  } catch (error) {
    if (isGone(error) || isOver(error)) return false;
    throw error;
  }
}

async function peek(queue: TemporalQueue, n: number): Promise<readonly Peeked[]> {
  await untilVisible(queue);
  const prefix = prefixOf(queue.queue);
  const result: Peeked[] = [];
  for (const kind of kindsOf(queue)) {
    for await (const fullId of listOpen(queue, kind, n)) {
      if (result.length >= n) return result;
      const execution = await describeExecution(queue, kind, fullId);
      if (!execution || !isOpen(execution) || execution.state === "running") continue;
      result.push({
        id: fullId.startsWith(prefix) ? fullId.slice(prefix.length) : fullId,
        body: await bodyOf(queue, execution),
      });
    }
  }
  return result;
}

async function bodyOf(
  { client: { service, target } }: TemporalQueue,
  { activity, fullId, runId }: Execution,
): Promise<unknown> {
  if (activity) return fromPayload(activity.input?.payloads?.[0]);
  const execution = { workflowId: fullId, runId };
  const { history } = await service.getWorkflowExecutionHistory({
    namespace: target.namespace,
    execution,
    maximumPageSize: 1,
  });
  return fromPayload(history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]);
}
