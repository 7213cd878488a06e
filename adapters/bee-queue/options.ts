/** The options of the Bee-Queue adapter: types, defaults, and what is refused before anything is opened or sent. */
import { type Duration, durationMs } from "../../src/base/duration.ts";
import { describe, FunboostError } from "../../src/base/errors.ts";
import type { QueueSpec } from "../../src/contract/index.ts";
import { checkNames } from "../shared/check-names.ts";
import type { GivenNodeRedis, NodeRedisOptions } from "./settings.ts";

export interface BeeQueueOptions {
  /** @default "redis://127.0.0.1:6379" */
  readonly url?: string | undefined;
  /**
   * A node_redis 3 client, whose settings are copied (yours is never used or closed), or its options. Bee-Queue works
   * with no other client.
   */
  readonly connection?: GivenNodeRedis | NodeRedisOptions;
  /** Of Bee-Queue's keys. @default "bq" */
  readonly prefix?: string;
  /** Of the keys of the store on the same server. @default "funboost:" */
  readonly storePrefix?: string;
}

/** `brokerOptions` of a task on Bee-Queue: Bee-Queue's own options, passed through. */
export interface BeeQueueQueueOptions {
  readonly prefix?: string;
  readonly queue?: {
    /**
     * Tells Bee-Queue's own listeners (`job.on("succeeded")`) in other processes how jobs end.
     * @default false; with `adopt` true
     */
    readonly sendEvents?: boolean;
    /**
     * False keeps each job that is done, for ever, as Bee-Queue does; a task id is then never free again.
     * @default true; with `adopt` false for what others published
     */
    readonly removeOnSuccess?: boolean;
    /** False keeps all failed jobs, for ever. @default the last 5,000 or so are kept; with `adopt` false */
    readonly removeOnFailure?: boolean;
    /** How long a worker may be silent before its job is given to another. @default 0.7 of the lease */
    readonly stallInterval?: Duration;
  };
  /** For each job that is published: `retries`, `backoff`, `timeout`, for Bee-Queue's own workers. */
  readonly job?: Readonly<Record<string, unknown>>;
}

const where = "bee-queue";

/** Half a character, which UTF-8 cannot write. */
const halfCharacter = /\p{Surrogate}/u;

/** What Bee-Queue's own workers read. All else of a job, such as when it is due, is ours to write. */
const jobOptionNames = ["retries", "backoff", "timeout"] as const;

export function checkSpec({ queue, options }: QueueSpec): BeeQueueQueueOptions {
  if (!queue || halfCharacter.test(queue)) {
    const text = `Bee-Queue cannot take the queue name ${describe(queue)}. Allowed is any text that UTF-8 can write.`;
    throw new FunboostError("BAD_QUEUE", text, { where });
  }
  const of = `of "${queue}"`;
  checkNames(where, options, ["prefix", "queue", "job"], `brokerOptions ${of}`);
  const { queue: own = {}, job = {} } = options as BeeQueueQueueOptions;
  checkNames(where, own, [...switches, "stallInterval"], `brokerOptions.queue ${of}`);
  checkNames(where, job, jobOptionNames, `brokerOptions.job ${of}`);
  const refuse = (name: string, allowed: string, value: unknown) =>
    new FunboostError("BAD_OPTION", `brokerOptions.queue.${name} ${of} must be ${allowed}, got ${describe(value)}.`, {
      where,
    });
  for (const name of switches)
    if (own[name] !== undefined && typeof own[name] !== "boolean") throw refuse(name, "true or false", own[name]);
  const { stallInterval = 100 } = own;
  const stallMs = durationMs(stallInterval, `brokerOptions.queue.stallInterval ${of}`);
  if (stallMs < 100 || stallMs >= 2 ** 31)
    throw refuse("stallInterval", '100 ms to 24 days, such as "5s"', stallInterval);
  return options as BeeQueueQueueOptions;
}

const switches = ["sendEvents", "removeOnSuccess", "removeOnFailure"] as const;

/** Of one message. */
export function checkMessageOptions(native: object | undefined, queue: string): void {
  if (native) checkNames(where, native, jobOptionNames, `a message of "${queue}"`);
}

export function checkId(id: string, queue: string): string {
  if (id !== "" && !/^-?\d+$/.test(id) && !halfCharacter.test(id)) return id;
  const why = `Bee-Queue counts its own job ids, so it cannot take the task id ${describe(id)}.`;
  const advice = `Allowed is any text that is no whole number: "order-${id}".`;
  throw new FunboostError("BAD_OPTION", `${why} ${advice}`, { where: queue });
}
