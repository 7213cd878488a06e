/** Messages whose name no task of this process has. */
import { FunboostError } from "../base/errors.ts";
import type { Delivery } from "../contract/broker.ts";
import type { UnknownJobs } from "../setup/model.ts";
import type { RunEnd } from "../slots/slot.ts";
import { wholeData } from "../wire/signature.ts";
import { type Attempt, anyJob, jobOf, type RunnableTask, readAttempt } from "./attempt.ts";
import { beforeStart, type Obstacle } from "./before-start.ts";
import { succeed } from "./ending.ts";
import { endEarly, type Runner, runSafely } from "./run.ts";
import type { RunHost } from "./task-run.ts";

/**
 * `task`: any of the queue. `known`: the names that have a task. Without a policy it is as with a message that fits no
 * parameters: another version may take it, and a dead letter is what nobody takes for long.
 */
export function createUnknownRunner(
  task: RunnableTask,
  host: RunHost,
  policy: () => UnknownJobs | undefined,
  known: () => readonly string[],
): Runner {
  const options = { ...task.options, job: anyJob, convert: undefined, filter: undefined };
  const nobody: RunnableTask = { ...task, options, definition: { signature: wholeData }, call: undefined };
  return runSafely(nobody, (delivery) => {
    const attempt = readAttempt(nobody, delivery);
    const unknown = policy();
    const error = unknownError(task, delivery, known());
    const obstacle = beforeStart(nobody, { ...attempt, ...obstacleOf(error, unknown) }, host.cancelled);
    return Promise.resolve(obstacle).then((found) => end(nobody, attempt, found, unknown, host));
  });
}

function obstacleOf(error: Error, unknown: UnknownJobs | undefined): Pick<Attempt, "badMessage" | "unbound"> {
  if (unknown === "fail") return { badMessage: error, unbound: undefined };
  return { badMessage: undefined, unbound: unknown === "complete" ? undefined : error };
}

async function end(
  nobody: RunnableTask,
  attempt: Attempt,
  obstacle: Obstacle | undefined,
  unknown: UnknownJobs | undefined,
  { tally }: RunHost,
): Promise<RunEnd> {
  if (!obstacle) return { settlement: await succeed(nobody, attempt, undefined) };
  const lasts = obstacle.why === "unbound" && unknown === "leave";
  return endEarly(nobody, attempt, lasts ? { ...obstacle, isLasting: true } : obstacle, tally);
}

function unknownError({ options }: RunnableTask, delivery: Delivery, known: readonly string[]): Error {
  const job = jobOf(delivery)?.slice(0, 200);
  const what = job === undefined ? "it has no job" : `no task takes the job ${JSON.stringify(job)}`;
  const names = known.length > 0 ? ` Known here: ${known.map((each) => `"${each}"`).join(", ")}.` : "";
  const define = job === undefined ? "" : ` with job: ${JSON.stringify(job)}`;
  return new FunboostError(
    "BAD_MESSAGE",
    `${what}.${names} Define a task on queue "${options.queue}"${define}, ` +
      'or take what no other takes by adopt({ ... }, { "*": fn }).',
  );
}
