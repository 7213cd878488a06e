/** The workflow of the bare side, as in Temporal's first example: one activity. It runs in Temporal's sandbox, which loads nothing else. */
import { proxyActivities } from "@temporalio/workflow";
import type { bodyOf } from "../work.ts";

const { job } = proxyActivities<{ job(body: ReturnType<typeof bodyOf>): Promise<void> }>({
  startToCloseTimeout: "1 minute",
});

// The default export serves every type: the bench names it after its queue.
// biome-ignore lint/style/noDefaultExport: Temporal's way to say so
export default async function oneActivity(body: ReturnType<typeof bodyOf>): Promise<void> {
  await job(body);
}
