/**
 * The publishing half of the Temporal adapter: one start for each message, as a standalone activity or as a workflow.
 */
import { clock } from "../../src/base/clock.ts";
import { FunboostError, toError } from "../../src/base/errors.ts";
import type { Message, Published } from "../../src/contract/index.ts";
import { orderedId } from "../shared/ordered-id.ts";
import { publishError } from "../shared/publish-error.ts";
import { type TemporalClient, takesActivity } from "./connect/client.ts";
import { isGone, isKnown } from "./connect/errors.ts";
import { createLimit } from "./connect/limit.ts";
import { engineId, prefixOf } from "./connect/names.ts";
import { type Envelope, type Payload, toEnvelope, toPayload } from "./connect/payload.ts";
import {
  allowDuplicate,
  duration,
  longestRun,
  rejectDuplicate,
  retryPolicy,
  statuses,
  useExisting,
} from "./connect/protocol.ts";
import { endOf } from "./end.ts";
import { describeExecution, isOpen } from "./execution.ts";
import { checkMessage, type TemporalMessageOptions } from "./options.ts";
import type { Kind, Recent, TemporalQueue } from "./queue.ts";

/** Starts under way on one connection: more do not make it faster. */
const atOnce = 100;
/** Of the time for which callers wait: one that gave up would not know what comes through later. */
const startShare = 0.9;
const shortestTurnMs = 2_000;
const longestTurnMs = 10_000;

/** Temporal's five levels: 1 is for what goes ahead, 3 is none. */
export function priorityKey({ ahead, priority = 0 }: Message): number {
  if (ahead) return 1;
  if (priority === 0) return 3;
  return priority > 0 ? 2 : priority > -100 ? 4 : 5;
}

interface Item {
  readonly id: string;
  readonly fullId: string;
  readonly given: boolean;
  readonly kind: Kind;
  readonly message: Message;
  readonly input: Payload[];
}

export function createPublisher(queue: TemporalQueue) {
  const slot = createLimit(atOnce);
  return async (messages: readonly Message[]): Promise<readonly Published[]> => {
    const publishedAt = clock.now();
    // All are checked before the first is sent.
    const items = messages.map((message) => itemOf(queue, message, publishedAt));
    const first = new Map<string, Item>();
    for (const item of items) if (!first.has(item.id)) first.set(item.id, item);
    const started = new Map<Item, Promise<Published>>();
    const startAll = () => {
      for (const item of first.values())
        started.set(
          item,
          slot(() => start(queue, item)),
        );
      return Promise.allSettled(items.map((item) => started.get(first.get(item.id) as Item) as Promise<Published>));
    };
    const outcomes = await queue.client.bounded(startShare * queue.publishTimeoutMs, startAll);
    const failed = outcomes.find((each) => each.status === "rejected");
    if (failed)
      throw publishError("temporal", toError(queue.client.explain(failed.reason)), idsOf(outcomes), items.length);
    return outcomes.map((each, i) => {
      const published = (each as PromiseFulfilledResult<Published>).value;
      return first.get(published.id) === items[i] ? published : { ...published, existing: true };
    });
  };
}

/** Each once: messages with the same id start one. */
const idsOf = (outcomes: readonly PromiseSettledResult<Published>[]) => [
  ...new Set(outcomes.flatMap((each) => (each.status === "fulfilled" ? [each.value.id] : []))),
];

function itemOf(queue: TemporalQueue, message: Message, now: number): Item {
  checkMessage(queue, message);
  const { attempt = 1, publishedAt } = message;
  const id = message.id ?? orderedId();
  const kind = kindOf(queue, message);
  const envelope: Envelope = {
    leaseMs: queue.leaseMs,
    publishedAt: publishedAt ?? now,
    ...(attempt > 1 && { attempt }),
  };
  // A standalone activity's own record has the time and the lease.
  const plain = kind === "activity" && attempt === 1 && publishedAt === undefined;
  const input = [toPayload(message.body), ...(plain ? [] : [toPayload(toEnvelope(envelope))])];
  checkSize(input, queue.client.server.payloadLimit, id);
  return { id, fullId: engineId(prefixOf(queue.queue), id), given: message.id !== undefined, kind, message, input };
}

function kindOf({ mode, client: { server } }: TemporalQueue, { delayMs = 0, native }: Message): Kind {
  const wanted = (native as TemporalMessageOptions | undefined)?.mode ?? mode;
  if (wanted !== "auto") return wanted;
  return takesActivity(server, delayMs) ? "activity" : "workflow";
}

function checkSize(input: readonly Payload[], limit: number, id: string): void {
  const bytes = input.reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
  if (bytes <= limit) return;
  const advice = `Temporal takes at most ${limit}: keep large values elsewhere and send where they are.`;
  throw new FunboostError("BAD_ARGS", `the arguments of task ${id} are ${bytes} bytes of JSON. ${advice}`, {
    where: "temporal",
  });
}

async function start(queue: TemporalQueue, item: Item): Promise<Published> {
  if (item.given && (await isOpenAsOther(queue, item))) return { id: item.id, existing: true };
  const startIt = item.kind === "activity" ? startActivity : startWorkflow;
  const started = await startIt(queue, item, item.message.once ? rejectDuplicate : allowDuplicate).catch(
    async (error: unknown) => {
      if (!isKnown(error)) throw error;
      return !(await hasJustEnded(queue, item)) && startIt(queue, item, allowDuplicate);
    },
  );
  remember(queue.recent, item);
  return started ? { id: item.id } : { id: item.id, existing: true };
}

/** Longer than it takes from asking a store about an id until it is started. */
const justEndedMs = 60_000;

/** The id of what was cancelled may be used again. */
async function hasJustEnded(queue: TemporalQueue, { kind, fullId }: Item): Promise<boolean> {
  const execution = await describeExecution(queue, kind, fullId);
  if (!execution) return false;
  if (isOpen(execution)) return true;
  const { status, endedAt = 0 } = await endOf(queue.client, execution, true);
  return status !== "cancelled" && clock.now() - endedAt < justEndedMs;
}

/** Answers false where one with this id is open. */
async function startActivity(
  { client, queue, leaseMs }: TemporalQueue,
  { fullId, message, input }: Item,
  reuse: number,
): Promise<boolean> {
  const { delayMs = 0 } = message;
  const { started } = await client.service.startActivityExecution({
    ...common(client, message),
    activityId: fullId,
    activityType: { name: queue },
    taskQueue: { name: queue },
    input: { payloads: input },
    heartbeatTimeout: duration(leaseMs),
    startToCloseTimeout: longestRun,
    retryPolicy,
    idReusePolicy: reuse,
    idConflictPolicy: useExisting,
    ...(delayMs > 0 && { startDelay: duration(delayMs) }),
  });
  return started !== false;
}

async function startWorkflow(
  { client, queue, orchestrator, leaseMs }: TemporalQueue,
  { fullId, message, input }: Item,
  reuse: number,
): Promise<boolean> {
  const { delayMs = 0 } = message;
  const { started } = await client.service.startWorkflowExecution({
    ...common(client, message),
    workflowId: fullId,
    workflowType: { name: queue },
    taskQueue: { name: orchestrator },
    input: { payloads: input },
    workflowIdReusePolicy: reuse,
    workflowIdConflictPolicy: useExisting,
    // Where an orchestrator dies with a workflow in its hands, another goes on after this time.
    workflowTaskTimeout: duration(Math.min(longestTurnMs, Math.max(shortestTurnMs, leaseMs))),
    ...(delayMs > 0 && { workflowStartDelay: duration(delayMs) }),
  });
  return started !== false;
}

function common({ target, identity, server }: TemporalClient, message: Message) {
  const { summary, fairnessKey, fairnessWeight } = (message.native ?? {}) as TemporalMessageOptions;
  const key = server.priority ? priorityKey(message) : 3;
  const fair = {
    ...(fairnessKey !== undefined && { fairnessKey }),
    ...(fairnessWeight !== undefined && { fairnessWeight }),
  };
  return {
    namespace: target.namespace,
    identity,
    requestId: orderedId(), // the same when the client tries again: it starts once
    ...((key !== 3 || fairnessKey !== undefined) && { priority: { ...(key !== 3 && { priorityKey: key }), ...fair } }),
    ...(summary !== undefined && { userMetadata: { summary: toPayload(summary) } }),
  };
}

/** Workflows and standalone activities have ids of their own: one id, delayed and not, could be there twice. */
async function isOpenAsOther({ client, mode }: TemporalQueue, { fullId, kind }: Item): Promise<boolean> {
  const { standalone, standaloneDelay } = client.server;
  if (mode !== "auto" || !standalone || standaloneDelay) return false;
  const { namespace } = client.target;
  try {
    if (kind === "activity") {
      const { workflowExecutionInfo } = await client.service.describeWorkflowExecution({
        namespace,
        execution: { workflowId: fullId },
      });
      return workflowExecutionInfo?.status === statuses.running;
    }
    return (
      (await client.service.describeActivityExecution({ namespace, activityId: fullId })).info?.status ===
      statuses.running
    );
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

function remember(recent: Recent, { id, fullId, kind }: Item): void {
  recent.kinds.set(id, kind);
  recent.published = { fullId, kind, at: clock.monotonic() };
}
