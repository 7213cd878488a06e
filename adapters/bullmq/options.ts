/** The options of the BullMQ adapter: types, defaults, and what is refused before anything is opened. */
import type { JobsOptions, QueueOptions, WorkerOptions } from "bullmq";
import type { Cluster, Redis, RedisOptions } from "ioredis";
import { describe, FunboostError } from "../../src/base/errors.ts";
import type { QueueSpec } from "../../src/contract/index.ts";
import { checkNames } from "../shared/check-names.ts";

export interface BullmqOptions {
  /** @default "redis://127.0.0.1:6379" */
  readonly url?: string | undefined;
  /** An ioredis client, whose settings are copied (yours is never closed), or ioredis options. */
  readonly connection?: Redis | Cluster | RedisOptions;
  /** Of BullMQ's keys. @default "bull" */
  readonly prefix?: string;
  /** Of the keys of the store on the same server. @default "funboost:" */
  readonly storePrefix?: string;
}

/** `brokerOptions` of a task on BullMQ: BullMQ's own options, passed through. */
export interface BullmqQueueOptions {
  readonly prefix?: string;
  readonly queue?: Partial<Omit<QueueOptions, "connection" | "prefix">>;
  readonly worker?: Partial<Omit<WorkerOptions, "connection" | "prefix" | "concurrency" | "autorun">>;
  /** For each job that is published. */
  readonly job?: Partial<JobsOptions>;
}

export function checkSpec({ queue, options }: Pick<QueueSpec, "queue" | "options">): BullmqQueueOptions {
  if (!queue || queue.includes(":")) {
    throw new FunboostError(
      "BAD_QUEUE",
      `BullMQ cannot take the queue name ${describe(queue)}. Allowed is any text without ":".`,
      { where: "bullmq" },
    );
  }
  checkNames("bullmq", options, ["prefix", "queue", "worker", "job"], `brokerOptions of "${queue}"`);
  return options as BullmqQueueOptions;
}
