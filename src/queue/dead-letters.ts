/** task.deadLetters: how many there are, which, and back with them. */
import { FunboostError } from "../base/errors.ts";
import type { BrokerQueue, Peeked } from "../contract/broker.ts";
import { whole } from "../options/checks.ts";
import type { Definition } from "../setup/model.ts";
import { openTask } from "../setup/open.ts";
import { parseBody } from "../wire/body.ts";
import { readJob } from "../wire/stamp.ts";
import { type RedriveOptions, redrive } from "./redrive.ts";

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
      return (await (await open("peek"))(limit)).map(({ id, body, job = readJob(body) }) => ({
        id,
        ...(job === undefined ? {} : { job }),
        body: parseBody(body),
      }));
    },
  };
}
