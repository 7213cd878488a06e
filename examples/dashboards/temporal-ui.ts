/** Temporal's own UI, and what its API says. It has a server of its own. */
import type { Dashboard } from "./dashboard.ts";

interface Execution {
  readonly status: string;
  readonly activityId?: string;
  readonly startTime?: string;
  readonly scheduleTime?: string;
  readonly executionTime?: string;
}

interface Details {
  readonly input: { readonly payloads: readonly { readonly data: string }[] };
  readonly outcome: { readonly failure?: { readonly message: string } };
}

/** Of the namespace "default". Tasks are standalone activities; delayed ones are workflows where the server cannot delay an activity. */
export function temporalUi(ui: string, name: string): Dashboard {
  const get = async <T>(path: string, query: Record<string, string>) => {
    const answer = await fetch(`${ui}/api/v1/namespaces/default/${path}?${new URLSearchParams(query)}`);
    return (await answer.json()) as T;
  };
  const list = async (path: string, query: string) =>
    (await get<{ executions?: Execution[] }>(path, { query })).executions ?? [];
  const failureOf = async ({ activityId = "" }: Execution) => {
    const { input, outcome } = await get<Details>(`activities/${encodeURIComponent(activityId)}`, {
      includeInput: "true",
      includeOutcome: "true",
    });
    return `${Buffer.from(input.payloads[0]?.data ?? "", "base64")}: ${outcome.failure?.message}`;
  };
  return {
    broker: "temporal",
    page: () => `${ui}/namespaces/default/activities?query=${encodeURIComponent(`ActivityType="${name}"`)}`,
    async read() {
      const activities = await list("activities", `ActivityType="${name}"`);
      const all = [...activities, ...(await list("workflows", `WorkflowType="${name}"`))];
      const withStatus = (status: string) => all.filter((each) => each.status.endsWith(`_${status}`));
      const running = withStatus("RUNNING");
      const delayed = running.filter(
        ({ startTime, scheduleTime, executionTime: due }) => due && due !== (startTime ?? scheduleTime),
      ).length;
      const counts = {
        done: withStatus("COMPLETED").length,
        failed: withStatus("FAILED").length,
        delayed,
        waiting: running.length - delayed,
      };
      return {
        counts,
        failures: await Promise.all(activities.filter(({ status }) => status.endsWith("_FAILED")).map(failureOf)),
      };
    },
    close: async () => {}, // what has ended goes with the namespace's retention
  };
}
