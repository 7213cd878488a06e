/** What can be asked of a whole queue: counting, looking, clearing, cancelling, pausing. Lists and counts are Temporal's visibility: right after a moment. */
import { sleep } from "../../src/base/clock.ts";
import type { BrokerQueue, Counts, Peeked } from "../../src/contract/index.ts";
import { isGone, isOver, limited, now, type TemporalClient } from "./connect/client.ts";
import { fromPayload, pauseName, prefixOf, quoted, running, useExisting } from "./connect/protocol.ts";
import { type Found, find, isOpen, look, stateOf } from "./execution.ts";
import type { Kind, TemporalQueue, Trace } from "./queue.ts";

const callMs = 10_000;
const flagMs = 5_000;
const atOnce = 50;
/** How long visibility may lag behind what this process has just done. */
const lagMs = { recent: 5_000, longest: 2_000, clear: 10_000, pause: 25 };
const page = 1_000;

export interface Admin
  extends Required<
    Pick<BrokerQueue, "count" | "clear" | "peek" | "cancel" | "askToEnd" | "state" | "setPaused" | "paused">
  > {}

/** `held`: what this process runs. */
export function administration(queue: TemporalQueue, held: () => number): Admin {
  const { client } = queue;
  const call = <T>(ms: number, run: () => Promise<T>): Promise<T> =>
    client.bounded(ms, run).catch((error: unknown) => Promise.reject(client.explain(error)));
  return {
    count: () => call(callMs, () => count(queue, held())),
    clear: () => call(callMs * 3, () => clear(queue)),
    peek: (n) => call(callMs, () => peek(queue, n)),
    cancel: (ids) => call(callMs * 3, () => cancel(queue, ids)),
    askToEnd: (ids) => call(callMs * 3, () => askToEnd(queue, ids)),
    state: (id) => call(callMs, async () => stateOf(await find(queue, id))),
    setPaused: (paused) => call(callMs, () => setPaused(queue, paused)),
    paused: () => call(flagMs, () => isPaused(queue)),
  };
}

/** The ways in which messages of this queue can be there. */
function kindsOf({ client, mode }: TemporalQueue): Kind[] {
  if (!client.server.standalone) return ["workflow"];
  return mode === "activity" ? ["activity", "workflow"] : ["workflow", "activity"];
}

function queryOf({ queue, orchestrator }: TemporalQueue, kind: Kind): string {
  const name = quoted(queue);
  const own =
    kind === "workflow"
      ? `WorkflowType=${name} AND TaskQueue=${quoted(orchestrator)}`
      : `ActivityType=${name} AND TaskQueue=${name}`;
  return `${own} AND ExecutionStatus='Running'`;
}

async function counted({ service, target: { namespace } }: TemporalClient, kind: Kind, query: string): Promise<number> {
  const { count } = await (kind === "workflow"
    ? service.countWorkflowExecutions({ namespace, query })
    : service.countActivityExecutions({ namespace, query }));
  return Number(count ?? 0);
}

/** What others run cannot be told from what waits. */
async function count(queue: TemporalQueue, held: number): Promise<Counts> {
  await untilVisible(queue);
  const later = `AND ExecutionTime > ${quoted(new Date().toISOString())}`;
  const open = kindsOf(queue).map((kind) => counted(queue.client, kind, queryOf(queue, kind)));
  const due = queue.client.server.standaloneDelay ? kindsOf(queue) : (["workflow"] as const);
  const waiting = due.map((kind) => counted(queue.client, kind, `${queryOf(queue, kind)} ${later}`));
  const [all, delayed] = await Promise.all([sum(open), sum(waiting)]);
  return { ready: Math.max(0, all - delayed - held), delayed };
}

async function sum(numbers: readonly Promise<number>[]): Promise<number> {
  return (await Promise.all(numbers)).reduce((one, other) => one + other, 0);
}

/** What this process has just published or ended is in what it counts. */
async function untilVisible({ client, recent }: TemporalQueue): Promise<void> {
  const { published, ended } = recent;
  const shown = (trace: Trace, more = "") =>
    counted(
      client,
      trace.kind,
      `${trace.kind === "workflow" ? "WorkflowId" : "ActivityId"}=${quoted(trace.fullId)}${more}`,
    );
  await Promise.all([
    published && insistOn(published, async () => (await shown(published)) > 0),
    ended && insistOn(ended, async () => (await shown(ended, " AND ExecutionStatus='Running'")) === 0),
  ]);
  if (recent.published === published) recent.published = undefined;
  if (recent.ended === ended) recent.ended = undefined;
}

async function insistOn({ at }: Trace, isShown: () => Promise<boolean>): Promise<void> {
  const from = now();
  if (from - at > lagMs.recent) return;
  while (!(await isShown()) && now() - from < lagMs.longest) await sleep(lagMs.pause);
}

async function* list(queue: TemporalQueue, kind: Kind, pageSize = page): AsyncGenerator<string> {
  const { service, target } = queue.client;
  const request = { namespace: target.namespace, query: queryOf(queue, kind), pageSize };
  for (let token: Uint8Array | undefined; ; ) {
    const asked = token ? { ...request, nextPageToken: token } : request;
    if (kind === "workflow") {
      const { executions, nextPageToken } = await service.listWorkflowExecutions(asked);
      for (const { execution } of executions ?? []) yield execution?.workflowId ?? "";
      token = nextPageToken?.length ? nextPageToken : undefined;
    } else {
      const { executions, nextPageToken } = await service.listActivityExecutions(asked);
      for (const { activityId } of executions ?? []) yield activityId ?? "";
      token = nextPageToken?.length ? nextPageToken : undefined;
    }
    if (!token) return;
  }
}

/** Until a list shows nothing more than what runs. */
async function clear(queue: TemporalQueue): Promise<void> {
  await untilVisible(queue);
  const slot = limited(atOnce);
  for (const from = now(); now() - from < lagMs.clear; await sleep(lagMs.pause)) {
    let left = 0;
    for (const kind of kindsOf(queue)) {
      const ids: string[] = [];
      for await (const id of list(queue, kind)) ids.push(id);
      const kept = await Promise.all(ids.map((id) => slot(async () => removeOne(queue, await look(queue, kind, id)))));
      left += kept.filter((how) => how !== "runs").length;
    }
    if (left === 0) return;
  }
}

/** Takes one out that has not started. */
async function removeOne({ client }: TemporalQueue, found: Found | undefined): Promise<"removed" | "runs" | "over"> {
  if (!found || !isOpen(found)) return "over";
  if (found.state === "running") return "runs";
  const { service, identity, target } = client;
  const { fullId, runId } = found;
  const common = { namespace: target.namespace, identity, reason: "removed by funboost before it started" };
  try {
    if (found.kind === "activity")
      await service.terminateActivityExecution({ ...common, activityId: fullId, runId, requestId: `${runId}-removed` });
    else await service.terminateWorkflowExecution({ ...common, workflowExecution: { workflowId: fullId, runId } });
    return "removed";
  } catch (error) {
    if (isGone(error) || isOver(error)) return "over";
    throw error;
  }
}

async function cancel(queue: TemporalQueue, ids: readonly string[]): Promise<string[]> {
  const slot = limited(atOnce);
  const how = await Promise.all(ids.map((id) => slot(async () => removeOne(queue, await find(queue, id)))));
  return ids.filter((_, i) => how[i] === "removed");
}

/** Temporal's own cancellation: told in the answer to the run's next heartbeat. */
async function askToEnd(queue: TemporalQueue, ids: readonly string[]): Promise<string[]> {
  const slot = limited(atOnce);
  const asked = await Promise.all(ids.map((id) => slot(async () => askOne(queue, await find(queue, id)))));
  return ids.filter((_, i) => asked[i]);
}

async function askOne({ client }: TemporalQueue, found: Found | undefined): Promise<boolean> {
  if (!found || !isOpen(found)) return false;
  const { service, identity, target } = client;
  const { fullId, runId } = found;
  const common = {
    namespace: target.namespace,
    identity,
    requestId: `${runId}-cancel`,
    reason: "cancelled by funboost",
  };
  try {
    if (found.kind === "activity")
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
    for await (const fullId of list(queue, kind, Math.max(1, Math.min(n, page)))) {
      if (result.length >= n) return result;
      const found = await look(queue, kind, fullId);
      if (!found || !isOpen(found) || found.state === "running") continue;
      result.push({
        id: fullId.startsWith(prefix) ? fullId.slice(prefix.length) : fullId,
        body: await bodyOf(queue, found),
      });
    }
  }
  return result;
}

async function bodyOf(
  { client: { service, target } }: TemporalQueue,
  { activity, fullId, runId }: Found,
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

const flagOf = (queue: string) => `${pauseName}:${queue}`;

/** The flag is an open workflow that nobody carries forward: every process sees it, it survives restarts, and Temporal's UI shows it. */
async function setPaused({ client, queue }: TemporalQueue, paused: boolean): Promise<void> {
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

async function isPaused({ client, queue }: TemporalQueue): Promise<boolean> {
  const { service, target } = client;
  try {
    const execution = { workflowId: flagOf(queue) };
    return (
      (await service.describeWorkflowExecution({ namespace: target.namespace, execution })).workflowExecutionInfo
        ?.status === running
    );
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}
