/** What failed for good, into the dead-letter queue: an ordinary queue `<queue>_dlx` on the same broker. */
import { v7 as uuidv7 } from "uuid";
import { deadline } from "../base/deadline.ts";
import { isFunboostError, serializeError } from "../base/errors.ts";
import { points, tell } from "../base/events.ts";
import { asBody, type JsonText } from "../base/json.ts";
import { stringifyDeep } from "../base/stringify-deep.ts";
import type { BrokerQueue, Delivery, JsonObject } from "../contract/broker.ts";
import type { Options } from "../options/task.ts";
import type { OpenQueue } from "../setup/model.ts";
import { deadLetterBody } from "../wire/dead-letter.ts";
import { readExtra, stampExtra } from "../wire/stamp.ts";

/** A task whose dead-letter queue is opened when first needed. */
export interface DeadLetterSource extends OpenQueue {
  deadLetters(): Promise<BrokerQueue>;
}

/** Publishes the copy with its reason. False: it could not be, the message must stay where it is. */
export async function toDeadLetters(task: DeadLetterSource, delivery: Delivery, error: Error): Promise<boolean> {
  const { options, log } = task;
  try {
    const dead = await task.deadLetters();
    const copy = bodyOf(delivery, options, error);
    await deadline(
      dead.publish([{ body: copy, ...(delivery.job === undefined ? {} : { job: delivery.job }) }]),
      options.publishTimeoutMs,
      "publishing to the dead-letter queue",
      task.brokerName,
    );
    tell(points.deadletter, () => ({
      queue: options.queue,
      broker: task.brokerName,
      taskId: delivery.id,
      attempt: delivery.attempt,
      error,
    }));
    return true;
  } catch (cause) {
    log.error(
      { queue: options.queue, taskId: delivery.id, error: cause },
      "cannot publish to the dead-letter queue; the message stays",
    );
    return false;
  }
}

/** A value that is too deep to be written goes as the text of it: as such it is a bad message again. */
function bodyOf(delivery: Delivery, options: Options, error: Error): JsonText | string {
  try {
    return asBody(copyOf(delivery, options, error));
  } catch (cause) {
    if (!(cause instanceof RangeError || isFunboostError(cause))) throw cause;
    return asBody(copyOf({ ...delivery, body: stringifyDeep(delivery.body) }, options, error));
  }
}

/** The old id travels in the body: engines that number their own jobs refuse one of their own kind. */
function copyOf(
  { id, body, attempt, publishedAt, rules }: Delivery,
  { queue, adopt }: Options,
  error: Error,
): JsonObject {
  const foreign = adopt && rules !== undefined;
  const copy = deadLetterBody(body, {
    reason: `${error.name}: ${error.message}`,
    letter: uuidv7(),
    attempts: attempt,
    queue,
    error: serializeError(error),
    foreign,
    ...(foreign && rules.foreign ? { theirs: rules.foreign() } : {}),
  });
  return stampExtra(copy, {
    id: (foreign ? undefined : readExtra(copy)?.id) ?? id,
    ...(publishedAt === undefined ? {} : { publishedAt }),
  });
}
