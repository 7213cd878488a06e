/** The publishing half of the BullMQ adapter: what one tick publishes is written together. */
import type { JobJson, JobsOptions, Queue } from "bullmq";
import type { Redis } from "ioredis";
import { clock } from "../../src/base/clock.ts";
import { bodyText } from "../../src/base/json.ts";
import type { BrokerQueue, Message } from "../../src/contract/index.ts";
import { accept, createPublishBatches, type PublishEntry, refuse } from "../shared/publish-batches.ts";
import { publishError } from "../shared/publish-error.ts";
import type { RedisClients } from "../shared/redis-clients.ts";
import { aheadAgainAfter } from "./ahead-again.ts";
import type { OwnOptions } from "./foreign.ts";
import { anyJobId, jobId, taskId } from "./job-ids.ts";
import { createAdder, jobJson } from "./major.ts";
import { createPriorities } from "./priorities.ts";

type JobClass = typeof import("bullmq").Job;
type Entry = PublishEntry<NewJob>;
type Reply = readonly [error: Error | null, reply?: unknown];

interface NewJob {
  readonly json: JobJson;
  readonly id: string | undefined;
}

/** Of a transaction: small enough that the server works on one while the next is written. */
const batchSize = 250;

export async function createPublisher(
  Job: JobClass,
  queue: Queue,
  client: Redis,
  defaults: Partial<JobsOptions> | undefined,
  explain: RedisClients["explain"],
) {
  const priorities = await createPriorities(queue, client);
  const send = await createSender(queue);
  const enqueue = createPublishBatches<NewJob>({
    size: batchSize,
    send(batch) {
      priorities.checkSoon();
      send(batch);
    },
    explain: (error, accepted, count) => publishError("bullmq", explain(error), accepted, count),
  });
  const publish: BrokerQueue["publish"] = async (messages) => {
    if (messages.length === 0) return [];
    const sooner = messages.some(({ priority, ahead }) => (priority ?? 0) > 0 && !ahead);
    if (sooner) await priorities.use().catch((error: unknown) => Promise.reject(explain(error)));
    const timestamp = clock.now();
    const published = await enqueue(
      messages.map((message) => newJob(message, timestamp, Job, queue, defaults, priorities.of)),
    );
    // All is published: where this fails, the order is put right by the next such publish.
    if (sooner) await priorities.sweep().catch(() => {});
    for (const [i, { ahead, delayMs }] of messages.entries()) {
      if (ahead && delayMs) aheadAgainAfter(delayMs, () => queue.getJob(anyJobId(published[i]?.id ?? "", queue)));
    }
    return published;
  };
  return { publish, close: priorities.close };
}

type PriorityOf = (priority: number) => number;

/** BullMQ's own class where it has something to check or to derive; elsewhere what it would make is written down. */
function newJob(
  message: Message,
  timestamp: number,
  Job: JobClass,
  queue: Queue,
  defaults: Partial<JobsOptions> | undefined,
  priorityOf: PriorityOf,
): NewJob {
  const id = message.id === undefined ? undefined : jobId(message.id, queue);
  const { job: name = queue.name } = message;
  const opts = jobOptions(message, priorityOf);
  const data = bodyText(message.body);
  if (message.foreign) return { json: { ...jobJson(new Job(queue, name, undefined, message.foreign, id)), data }, id };
  const isChecked = Boolean(message.native || defaults || opts.delay);
  if (isChecked || name !== queue.name || opts.attempts) opts.funboost = 1;
  if (isChecked) {
    const job = new Job(queue, name, undefined, { ...defaults, ...message.native, ...opts }, id);
    return { json: { ...jobJson(job), data }, id };
  }
  const json = { name, data, opts, timestamp };
  return { json: json as unknown as JobJson, id };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** `attempt` and `publishedAt` are ours, beside BullMQ's own: republished messages have them. */
function jobOptions(
  { ahead, priority = 0, delayMs = 0, attempt = 1, publishedAt, retries }: Message,
  priorityOf: PriorityOf,
): Writable<JobsOptions & OwnOptions> {
  const opts: Writable<JobsOptions & OwnOptions> = {};
  const native = ahead ? 0 : priorityOf(priority);
  if (ahead) opts.lifo = true;
  if (native) opts.priority = native;
  if (delayMs > 0) opts.delay = Math.ceil(delayMs);
  if (attempt > 1) opts.attempt = attempt;
  if (publishedAt !== undefined) opts.publishedAt = publishedAt;
  if (retries) {
    const { max, type, baseMs, jitter } = retries;
    opts.attempts = max + 1;
    opts.backoff = { type, delay: baseMs, ...(jitter ? { jitter: 1 } : {}) };
  }
  return opts;
}

/**
 * Each job by itself, as BullMQ's own add() sends it: the server works on one while the next is made, and what is
 * written in a tick goes out together (redis-connection.ts). A pipeline makes both wait for each other: 0.63 of bare
 * BullMQ's rate against 1.07, measured.
 */
async function createSender(queue: Queue) {
  const { commands, add, addTo } = await createAdder(queue);

  function sendOne(entry: Entry): void {
    const failed = (error: Error) => settleEntry(entry, [error]);
    add(entry.job.json).then((id) => settleEntry(entry, [null, id]), failed);
  }
  /** With ids in a transaction: "was it there before?" and the add are one step. */
  function sendKnown(batch: readonly Entry[]): void {
    const transaction = commands.multi();
    for (const { job } of batch) {
      (transaction as unknown as Redis).exists(queue.toKey(job.id ?? ""));
      addTo(transaction, job.json, job.id).catch(() => {}); // its answer comes with exec
    }
    const answer = (replies: readonly Reply[]) => {
      for (const [i, entry] of batch.entries()) {
        const existing = entry.job.id !== undefined && replies[2 * i]?.[1] === 1;
        settleEntry(entry, replies[2 * i + 1] ?? [new Error("Connection is closed.")], existing);
      }
    };
    transaction.exec().then(
      (replies) => answer((replies ?? []) as Reply[]),
      (error: Error) => answer(new Array(2 * batch.length).fill([error])),
    );
  }
  return (batch: readonly Entry[]): void => {
    // All in the transaction where one needs it, or the others would overtake it.
    if (batch.some(({ job }) => job.id !== undefined)) sendKnown(batch);
    else for (const entry of batch) sendOne(entry);
  };
}

function settleEntry(entry: Entry, [error, reply]: Reply, existing = false): void {
  const { id } = entry.job;
  if (error) refuse(entry, error);
  else if (typeof reply === "number")
    refuse(entry, new Error(`BullMQ answered ${reply} for job ${id ?? ""}: its parent is missing or cannot take it.`));
  else accept(entry, existing ? { id: taskId(String(reply)), existing } : { id: taskId(String(reply)) });
}
