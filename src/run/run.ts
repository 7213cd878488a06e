/** One delivery to one settlement: what keeps it from starting, the call, and its end. */
import { copyError } from "../base/errors.ts";
import type { Delivery } from "../contract/broker.ts";
import type { Claim, Filter } from "../filter/on-run.ts";
import type { Tally } from "../queue/tally.ts";
import type { RunEnd, Slot } from "../slots/slot.ts";
import { adviseToAdopt } from "./advice.ts";
import { type Attempt, type RunnableTask, readAttempt } from "./attempt.ts";
import { beforeStart, type Obstacle } from "./before-start.ts";
import { markedStart } from "./crashes.ts";
import { endUnstarted } from "./end-unstarted.ts";
import { endFiltered } from "./ending.ts";
import { execute, toRunEnd } from "./execute.ts";
import { createPauses } from "./pauses.ts";
import { type RunHost, TaskRun } from "./task-run.ts";
import { endUnsettled } from "./unsettled.ts";

export type Runner = (delivery: Delivery, slot: Slot) => Promise<RunEnd> | RunEnd;

/** Without `async` for nearly every delivery: with async hooks in use each promise costs about half a microsecond. */
export function createRunner(task: RunnableTask, host: RunHost): Runner {
  return runSafely(task, (delivery, slot) => run(task, delivery, slot, host));
}

/** What throws cannot be settled yet, and is tried again. */
export function runSafely(task: RunnableTask, runner: Runner): Runner {
  const pauses = createPauses();
  return (delivery, slot) => {
    try {
      const ended = runner(delivery, slot);
      return ended instanceof Promise
        ? ended.catch((error: unknown) => endUnsettled(task, pauses, delivery, error))
        : ended;
    } catch (error) {
      return endUnsettled(task, pauses, delivery, error);
    }
  };
}

function run(task: RunnableTask, delivery: Delivery, slot: Slot, host: RunHost): Promise<RunEnd> | RunEnd {
  if (delivery.rules) adviseToAdopt(task, delivery);
  const attempt = readAttempt(task, delivery);
  const obstacle = beforeStart(task, attempt, host.cancelled, slot.trial);
  if (obstacle === undefined) return start(task, attempt, new TaskRun(task, attempt, slot, host));
  if (!(obstacle instanceof Promise)) return endEarly(task, attempt, obstacle, host.tally);
  return obstacle.then((found) =>
    found ? endEarly(task, attempt, found, host.tally) : startLost(task, attempt, slot, host),
  );
}

export function endEarly(
  task: RunnableTask,
  attempt: Attempt,
  obstacle: Obstacle,
  tally: Tally,
): Promise<RunEnd> | RunEnd {
  if (obstacle.why === "not due") return { settlement: { outcome: "postponed", delayMs: obstacle.delayMs } };
  return endUnstarted(task, attempt, obstacle, tally).then(toRunEnd);
}

/** What was lost with its process before. */
async function startLost(task: RunnableTask, attempt: Attempt, slot: Slot, host: RunHost): Promise<RunEnd> {
  const marked = markedStart(task, attempt.delivery, slot);
  try {
    return await start(task, attempt, new TaskRun(task, attempt, marked.slot, host));
  } finally {
    await marked.forget();
  }
}

function start(task: RunnableTask, attempt: Attempt, current: TaskRun): Promise<RunEnd> | RunEnd {
  const { filter } = current.host;
  return filter ? startOnce(filter, task, attempt, current) : execute(task, attempt, current);
}

/** Not while an equal message runs, and not after one was done. */
function startOnce(filter: Filter, task: RunnableTask, attempt: Attempt, current: TaskRun): Promise<RunEnd> | RunEnd {
  let claiming: Promise<Claim> | Claim;
  try {
    claiming = filter.claim(attempt);
  } catch (error) {
    // The task's own key function threw.
    return endEarly(task, attempt, { why: "bad message", error: copyError(error) }, current.host.tally);
  }
  const goOn = (claim: Claim): Promise<RunEnd> | RunEnd => {
    if (claim.may === "wait") return { settlement: claim.settlement };
    if (claim.may === "end") return endFiltered(task, attempt, claim.owner).then(toRunEnd);
    return executeClaimed(filter, claim.key, task, attempt, current);
  };
  return claiming instanceof Promise ? claiming.then(goOn) : goOn(claiming);
}

function executeClaimed(
  filter: Filter,
  key: string,
  task: RunnableTask,
  attempt: Attempt,
  current: TaskRun,
): Promise<RunEnd> | RunEnd {
  const { id } = attempt.delivery;
  attempt.doneMark = (outcome) => filter.doneMark(key, id, outcome);
  const settle = (ended: RunEnd) =>
    ended.settlement.outcome === "done" ? ended : filter.settle(key, id, ended.settlement).then(() => ended);
  /** It could not be settled: equal messages wait until the claim lapses, and no longer. */
  const leave = async (error: unknown): Promise<never> => {
    await filter.settle(key, id, { outcome: "postponed", delayMs: 0 });
    throw error;
  };
  try {
    const ended = execute(task, attempt, current);
    return ended instanceof Promise ? ended.then(settle, leave) : settle(ended);
  } catch (error) {
    return leave(error);
  }
}
