/** A task as Temporal's own users start it: what the kit hands to our consumers. */
import { Client, Connection } from "@temporalio/client";

export async function publishForeign(
  settings: Readonly<Record<string, string>>,
  queue: string,
  data: unknown,
): Promise<void> {
  const connection = await Connection.connect({
    address: settings.TEMPORAL_ADDRESS ?? process.env.TEMPORAL_ADDRESS ?? "127.0.0.1:7233",
  });
  const workflow = settings.TEMPORAL_MODE === "workflow";
  try {
    const { workflow: workflows, activity } = new Client({ connection });
    const own = { args: [data] as [unknown] };
    if (workflow)
      await workflows.start(queue, {
        ...own,
        workflowId: `theirs-${queue}-${Date.now()}`,
        taskQueue: "funboost.orchestrator",
      });
    else
      await activity.start(queue, {
        ...own,
        id: `theirs-${queue}-${Date.now()}`,
        taskQueue: queue,
        startToCloseTimeout: "1 minute",
      });
  } finally {
    await connection.close();
  }
}
