/** The dead-letter queue: an ordinary queue `<queue>_dlx` on the same broker. */
import { v7 as uuidv7 } from "uuid";
import { deadline } from "../base/deadline.ts";
import { FunboostError, serializeError } from "../base/errors.ts";
import { points, tell } from "../base/events.ts";
import { asBody, parseJson } from "../base/json.ts";
import type { BrokerQueue, Delivery, JsonObject, Peeked } from "../contract/broker.ts";
import { whole } from "../options/checks.ts";
import type { Definition, OpenTask } from "../setup/model.ts";
import { openTask } from "../setup/open.ts";
import { deadLetterBody } from "../wire/dead-letter.ts";
import { readExtra, stampExtra } from "../wire/stamp.ts";
import { type RedriveOptions, redrive } from "./redrive.ts";

/** Publishes the copy with its reason. False: it could not be, the message must stay where it is. */
export async function toDeadLetters(task: OpenTask, delivery: Delivery, error: Error): Promise<boolean> {
  const { options, log } = task;
  try {
    const dead = await task.deadLetters();
    const copy = asBody(copyOf(delivery, options.queue, error));
    await deadline(
      dead.publish([{ body: copy }]),
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

/** The old id travels in the body: engines that number their own jobs refuse one of their own kind. */
function copyOf({ id, body, attempt, publishedAt }: Delivery, queue: string, error: Error): JsonObject {
  const copy = deadLetterBody(body, {
    reason: `${error.name}: ${error.message}`,
    letter: uuidv7(),
    attempts: attempt,
    queue,
    error: serializeError(error),
  });
  return stampExtra(copy, { id: readExtra(copy)?.id ?? id, ...(publishedAt === undefined ? {} : { publishedAt }) });
}

const mostListed = 100_000;

/** The dead letters of a task. */
export interface DeadLetters {
  count(): Promise<number>;
  /** The first `limit` (default 100), without taking them; `body.extra.reason` says why each is there. */
  list(limit?: number): Promise<readonly Peeked[]>;
  /** Back to the task's queue, under their old ids, with a fresh count of attempts. Answers how many. */
  redrive(options?: RedriveOptions): Promise<number>;
}

export function deadLettersOf(definition: Definition): DeadLetters {
  const open = async <K extends "count" | "peek">(call: K): Promise<NonNullable<BrokerQueue[K]>> => {
    const task = definition.open ?? (await openTask(definition));
    const found = (await task.deadLetters())[call];
    if (!found) throw new FunboostError("UNSUPPORTED", `cannot ${call} messages.`, { where: task.brokerName });
    return found as NonNullable<BrokerQueue[K]>;
  };
  return {
    count: async () => {
      const { ready, delayed } = await (await open("count"))();
      return ready + delayed;
    },
    redrive: async (options) => {
      const task = definition.open ?? (await openTask(definition));
      return redrive(task, await task.deadLetters(), options);
    },
    list: async (limit = 100) => {
      whole(1, mostListed)(limit, "limit");
      return (await (await open("peek"))(limit)).map(({ id, body }) => ({
        id,
        body: typeof body === "string" ? parseJson(body) : body,
      }));
    },
  };
}
