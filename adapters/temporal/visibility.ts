/** Temporal's visibility: its lists and counts, which are right after a moment. */
import { clock, sleep } from "../../src/base/clock.ts";
import type { TemporalClient } from "./connect/client.ts";
import { quoted } from "./connect/names.ts";
import type { Kind, RecentMessage, TemporalQueue } from "./queue.ts";

/** How long visibility may lag behind what this process has just done. */
const lagMs = { recent: 5_000, longest: 2_000 };
/** Until it is asked again. */
export const lookAgainMs = 25;
const longestPage = 1_000;

/** The ways in which messages of this queue can be there. */
export function kindsOf({ client, mode }: TemporalQueue): Kind[] {
  if (!client.server.standalone) return ["workflow"];
  return mode === "activity" ? ["activity", "workflow"] : ["workflow", "activity"];
}

export function queryOf({ queue, orchestrator }: TemporalQueue, kind: Kind): string {
  const name = quoted(queue);
  const own =
    kind === "workflow"
      ? `WorkflowType=${name} AND TaskQueue=${quoted(orchestrator)}`
      : `ActivityType=${name} AND TaskQueue=${name}`;
  return `${own} AND ExecutionStatus='Running'`;
}

export async function countOf(
  { service, target: { namespace } }: TemporalClient,
  kind: Kind,
  query: string,
): Promise<number> {
  const { count } = await (kind === "workflow"
    ? service.countWorkflowExecutions({ namespace, query })
    : service.countActivityExecutions({ namespace, query }));
  return Number(count ?? 0);
}

/** What this process has just published or ended is in what it counts. */
export async function untilVisible({ client, recent }: TemporalQueue): Promise<void> {
  const { published, ended } = recent;
  const shown = (message: RecentMessage, more = "") =>
    countOf(
      client,
      message.kind,
      `${message.kind === "workflow" ? "WorkflowId" : "ActivityId"}=${quoted(message.fullId)}${more}`,
    );
  await Promise.all([
    published && insistOn(published, async () => (await shown(published)) > 0),
    ended && insistOn(ended, async () => (await shown(ended, " AND ExecutionStatus='Running'")) === 0),
  ]);
  if (recent.published === published) recent.published = undefined;
  if (recent.ended === ended) recent.ended = undefined;
}

async function insistOn({ at }: RecentMessage, isShown: () => Promise<boolean>): Promise<void> {
  const from = clock.monotonic();
  if (from - at > lagMs.recent) return;
  while (!(await isShown()) && clock.monotonic() - from < lagMs.longest) await sleep(lookAgainMs);
}

/** The ids of all that are open. `atMost`: how many are wanted. */
export async function* listOpen(queue: TemporalQueue, kind: Kind, atMost = longestPage): AsyncGenerator<string> {
  const { service, target } = queue.client;
  const request = {
    namespace: target.namespace,
    query: queryOf(queue, kind),
    pageSize: Math.max(1, Math.min(atMost, longestPage)),
  };
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
