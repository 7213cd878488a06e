/** What could not be settled, whatever the reason: tried again ever later, then a dead letter that says why. */
import { copyError, FunboostError } from "../base/errors.ts";
import type { Delivery, Settlement } from "../contract/broker.ts";
import { toDeadLetters } from "../queue/to-dead-letters.ts";
import type { RunEnd } from "../slots/slot.ts";
import { type RunnableTask, readAttempt } from "./attempt.ts";
import { endAs } from "./ending.ts";
import type { Pauses } from "./pauses.ts";

/** So many failures, and it is dead. */
const mostTries = 5;

/** Of a failure of our own (a bug): the message is neither lost nor held, and nothing else stops. */
export async function endUnsettled(
  task: RunnableTask,
  pauses: Pauses,
  delivery: Delivery,
  thrown: unknown,
): Promise<RunEnd> {
  const error = copyError(thrown);
  const { tries, delayMs } = pauses.next(task, delivery);
  const dead = tries >= mostTries;
  task.log.error(
    { queue: task.options.queue, taskId: delivery.id, tries, error },
    `a delivery could not be settled; it ${dead ? "goes to the dead-letter queue" : "is tried again"}`,
  );
  const settlement = dead ? await buryUnsettled(task, delivery, error) : undefined;
  if (!settlement) return { settlement: { outcome: "postponed", delayMs } };
  pauses.forget(task, delivery);
  return { settlement };
}

/** Undefined: the dead letter could not be written. */
async function buryUnsettled(task: RunnableTask, delivery: Delivery, cause: Error): Promise<Settlement | undefined> {
  const text = `could not be settled in ${mostTries} tries: ${cause.message}`;
  const error = new FunboostError("DEAD_LETTER", text, { where: task.options.queue, cause });
  if (!(await toDeadLetters(task, delivery, error))) return undefined;
  try {
    return await endAs(task, readAttempt(task, delivery), "dead", error);
  } catch {
    return { outcome: "failed", error }; // it is in the dead letters; what else is kept of an end is what fails
  }
}
