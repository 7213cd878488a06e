/** The publishing half of the BullMQ adapter: what one tick publishes travels in pipelines, and each call gets its own answer. */
import type { JobJson, JobsOptions, Queue } from "bullmq";
import type { Redis } from "ioredis";
import { clock } from "../../src/clock.ts";
import type { Message, Published } from "../../src/contract/index.ts";
import { isFunboostError, PublishError } from "../../src/errors.ts";
import { aheadAgainAfter, anyJobId, jobId, makePriorities, taskId } from "./bullmq-jobs.ts";
import type { RedisClients } from "./redis-client.ts";

type Bullmq = Pick<typeof import("bullmq"), "Job">;

interface Entry {
  readonly job: JobJson;
  readonly id: string | undefined;
  readonly call: Call;
  readonly index: number;
}

/** One publish() call: its messages may travel in several batches, among those of other calls. */
interface Call {
  readonly results: Published[];
  left: number;
  error?: unknown;
  readonly settle: (call: Call) => void;
}

const batchSize = 250;

/** Sends what one tick publishes in pipelines of 250 that overlap: faster than un-awaited add() calls, and each message gets its own answer. */
export async function makePublisher(bull: Bullmq, queue: Queue, client: Redis, defaults: Partial<JobsOptions> | undefined, explain: RedisClients["explain"]) {
  const backend = queue.getBackend();
  const commands = await backend.client;
  const priorities = await makePriorities(queue, client);
  let waiting: Entry[] = [];

  function toEntry(message: Message, call: Call, index: number, timestamp: number): Entry {
    const id = message.id === undefined ? undefined : jobId(message.id, queue);
    const opts = jobOptions(message, priorities.of);
    // BullMQ's own class where it has something to check or to derive; elsewhere what it would make is written down directly.
    if (message.native || defaults || opts.delay) {
      const made = new bull.Job(queue, queue.name, message.body, { ...defaults, ...message.native, ...opts }, id).toFlowEntry();
      return { job: made.jobData, id, call, index };
    }
    const job = { name: queue.name, data: JSON.stringify(message.body ?? null), opts, timestamp };
    return { job: job as unknown as JobJson, id, call, index };
  }

  function enqueue(messages: readonly Message[]): Promise<readonly Published[]> {
    return new Promise((resolve, reject) => {
      const settle = ({ error, results }: Call) => (error === undefined ? resolve(results) : reject(publishError(error, results, explain)));
      const call: Call = { results: new Array(messages.length), left: messages.length, settle };
      const timestamp = clock.now();
      const entries = messages.map((message, index) => toEntry(message, call, index, timestamp)); // throws before any is taken
      for (const entry of entries) {
        if (waiting.push(entry) === 1) queueMicrotask(flush);
        if (waiting.length >= batchSize) flush();
      }
    });
  }

  function sendOne(entry: Entry): void {
    backend.addJob(entry.job, undefined as unknown as string).then(
      (id) => settleEntry(entry, [null, id], false),
      (error: Error) => settleEntry(entry, [error], false),
    );
  }

  function flush(): void {
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return;
    priorities.checkSoon();
    const [first] = batch;
    if (batch.length === 1 && first && first.id === undefined) return sendOne(first); // a pipeline for one costs more than it saves
    // With ids in a transaction: "was it there before?" and the add are one step.
    const withIds = batch.some((entry) => entry.id !== undefined);
    const pipeline = withIds ? commands.multi() : commands.pipeline();
    for (const { id, job } of batch) {
      if (withIds) (pipeline as unknown as Redis).exists(queue.toKey(id ?? ""));
      backend.addJobToTransaction(pipeline, job, id as string).catch(() => {}); // only queues it; its answer comes with exec
    }
    const answer = (results: readonly [Error | null, unknown?][]) =>
      batch.forEach((entry, i) => {
        const existed = withIds && entry.id !== undefined && results[2 * i]?.[1] === 1;
        settleEntry(entry, results[withIds ? 2 * i + 1 : i] ?? lost, existed);
      });
    pipeline.exec().then(
      (results) => answer((results ?? []) as [Error | null, unknown?][]),
      (error: Error) => batch.forEach((entry) => settleEntry(entry, [error], false)),
    );
  }

  return {
    async publish(messages: readonly Message[]): Promise<readonly Published[]> {
      if (messages.length === 0) return [];
      const sooner = messages.some(({ priority, ahead }) => (priority ?? 0) > 0 && !ahead);
      if (sooner) await priorities.use();
      const published = await enqueue(messages);
      if (sooner) await priorities.sweep();
      messages.forEach(({ ahead, delayMs }, i) => ahead && delayMs && aheadAgainAfter(delayMs, () => queue.getJob(anyJobId(published[i]?.id ?? "", queue))));
      return published;
    },
    close: priorities.close,
  };
}

const lost: [Error] = [new Error("Connection is closed.")];

/** `attempt` and `publishedAt` are ours, beside BullMQ's own: only republished messages have them. */
function jobOptions({ ahead, priority = 0, delayMs = 0, attempt = 1, publishedAt }: Message, priorityOf: (priority: number) => number): JobsOptions {
  const opts: JobsOptions & { attempt?: number; publishedAt?: number } = {};
  const native = ahead ? 0 : priorityOf(priority);
  if (ahead) opts.lifo = true;
  if (native) opts.priority = native;
  if (delayMs > 0) opts.delay = Math.ceil(delayMs);
  if (attempt > 1) opts.attempt = attempt;
  if (publishedAt !== undefined) opts.publishedAt = publishedAt;
  return opts;
}

function settleEntry({ call, index, id }: Entry, [error, reply]: readonly [Error | null, unknown?], existing: boolean): void {
  if (error) call.error ??= error;
  else if (typeof reply === "number") call.error ??= new Error(`BullMQ answered ${reply} for job ${id ?? ""}: its parent is missing or cannot take it.`);
  else call.results[index] = existing ? { id: taskId(String(reply)), existing } : { id: taskId(String(reply)) };
  if (--call.left === 0) call.settle(call);
}

function publishError(error: unknown, results: readonly (Published | undefined)[], explain: RedisClients["explain"]): Error {
  const accepted = results.flatMap((each) => (each ? [each.id] : []));
  const cause = explain(error);
  if (accepted.length === 0 && isFunboostError(cause)) return cause;
  return new PublishError(`${results.length - accepted.length} of ${results.length} messages were not accepted: ${cause.message}`, accepted, {
    where: "bullmq",
    cause,
  });
}
