/** The end of what must not start. */
import { FunboostError } from "../base/errors.ts";
import type { Settlement } from "../contract/broker.ts";
import { countEnd, type Tally } from "../queue/tally.ts";
import type { Attempt, RunnableTask } from "./attempt.ts";
import type { Obstacle } from "./before-start.ts";
import { crashedText } from "./crashes.ts";
import { bury, endAs, endCancelled } from "./ending.ts";
import { forgetUnbound, putOffMs } from "./unbound.ts";

export async function endUnstarted(
  task: RunnableTask,
  attempt: Attempt,
  obstacle: Exclude<Obstacle, { why: "not due" }>,
  tally: Tally,
): Promise<Settlement> {
  const { queue } = task.options;
  switch (obstacle.why) {
    case "cancelled":
      return endCancelled(task, attempt);
    case "expired":
      return endAs(task, attempt, "expired", new FunboostError("EXPIRED", obstacle.reason, { where: queue }));
    case "bad message":
      return countEnd(tally, await endBad(task, attempt, obstacle.error));
    case "unbound":
      return countEnd(tally, await endUnbound(task, attempt, obstacle.error, obstacle.isLasting));
    case "crashes":
      return countEnd(tally, await endCrashed(task, attempt));
  }
}

function endBad(task: RunnableTask, attempt: Attempt, error: Error): Promise<Settlement> {
  const facts = { queue: task.options.queue, taskId: attempt.delivery.id, error: error.message };
  task.log.warn(facts, "bad message, moved to the dead-letter queue");
  return bury(task, attempt, error);
}

/** In a rolling deploy the task of another version may take it: it is put off as long as one may come. */
async function endUnbound(
  task: RunnableTask,
  attempt: Attempt,
  error: Error,
  isLasting?: boolean,
): Promise<Settlement> {
  const delayMs = await putOffMs(task, attempt.delivery, error, isLasting);
  if (delayMs !== undefined) return { outcome: "postponed", delayMs };
  const settlement = await endBad(task, attempt, error);
  if (settlement.outcome === "failed") await forgetUnbound(task, attempt.delivery);
  return settlement;
}

function endCrashed(task: RunnableTask, attempt: Attempt): Promise<Settlement> {
  const { queue } = task.options;
  const text = crashedText(task.options);
  task.log.warn({ queue, taskId: attempt.delivery.id }, `task moved to the dead-letter queue: ${text}`);
  return bury(task, attempt, new FunboostError("CRASHED", text, { where: queue }));
}
