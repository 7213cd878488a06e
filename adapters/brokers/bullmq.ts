/** BullMQ 6: its own ids, delay, priority, retry, lifo and pause; jobs stay readable in BullMQ's tools. The consuming half is in bullmq-worker.ts. */
import type { Job, JobJson, JobsOptions, Queue, QueueOptions, WorkerOptions } from "bullmq";
import type { Cluster, Redis, RedisOptions } from "ioredis";
import { clock } from "../../src/clock.ts";
import type { Broker, BrokerQueue, Consumer, Counts, Features, Message, MessageState, Published, QueueSpec, Store } from "../../src/contract/index.ts";
import { describe, FunboostError, isFunboostError, PublishError } from "../../src/errors.ts";
import { missingPeer } from "../shared/missing-peer.ts";
import { inNeutralContext, type RedisClients, redisClients } from "../shared/redis-client.ts";
import { redisStore } from "../stores/redis.ts";
import { aheadAgainAfter, type Bullmq, cancelJobs, consumeJobs, makePriorities } from "./bullmq-worker.ts";

export interface BullmqOptions {
  /** @default "redis://127.0.0.1:6379" */
  readonly url?: string;
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

const features: Features = {
  ids: true,
  delay: true,
  priority: true,
  retry: true,
  ahead: true,
  pause: true,
  durable: true,
  redelivers: true,
  ordered: true,
  exactCount: true,
  broadcast: false,
};

/**
 * BullMQ on Redis 5 or later.
 *
 * @example
 * const send = boost({ queue: "mail", broker: bullmq({ url: "redis://127.0.0.1:6379" }) }, async (to: string) => `sent to ${to}`);
 */
export function bullmq(options: BullmqOptions = {}): Broker {
  checkNames(options, ["url", "connection", "prefix", "storePrefix"], "bullmq()");
  const { prefix = "bull", storePrefix, ...source } = options;
  const clients = redisClients("bullmq", source);
  const queues = new Set<BrokerQueue>();
  let store: Store | undefined;
  return {
    name: "bullmq",
    features,
    async open(spec) {
      const queue = await openQueue(spec, prefix, clients, () => queues.delete(queue));
      queues.add(queue);
      return queue;
    },
    store: async () => (store ??= redisStore({ ...source, ...(storePrefix === undefined ? {} : { prefix: storePrefix }) })),
    async close() {
      await Promise.all([...queues].map((each) => each.close()));
      await store?.close();
      await clients.close();
    },
  };
}

async function openQueue(spec: QueueSpec, defaultPrefix: string, clients: RedisClients, onClose: () => void): Promise<BrokerQueue> {
  const options = checkSpec(spec);
  const bull = await loadBullmq();
  const client = await clients.get("commands");
  const prefix = options.prefix ?? defaultPrefix;
  const queue = inNeutralContext(() => new bull.Queue(spec.queue, { ...options.queue, connection: client, prefix }));
  queue.on("error", () => {}); // each call reports its own
  await queue.waitUntilReady();
  const call = <T>(run: () => Promise<T>) => run().catch((error: unknown) => Promise.reject(clients.explain(error)));
  const publisher = await call(() => makePublisher(bull, queue, client, options.job, clients.explain));
  const consumers = new Set<Consumer>();
  return {
    features,
    lookahead: 0,
    publish: publisher.publish,
    async consume(handler, consumeOptions) {
      const worker = { lockDuration: spec.leaseMs, ...options.worker, prefix };
      const consumer = await consumeJobs(bull, spec.queue, clients, worker, handler, consumeOptions);
      consumers.add(consumer);
      return consumer;
    },
    async close() {
      onClose();
      await Promise.all([...consumers].map((each) => each.close()));
      publisher.close();
      await queue.close();
    },
    count: () => call(() => count(queue)),
    clear: () => call(() => queue.drain(true)),
    peek: (n) => call(() => peek(queue, n)),
    setPaused: (paused) => call(() => (paused ? queue.pause() : queue.resume())),
    paused: () => call(() => queue.isPaused()),
    cancel: (ids) => call(async () => (ids.length ? cancelJobs(queue, client, ids) : [])),
    state: (id) => call(async () => states[await queue.getJobState(id)] ?? "unknown"),
    reschedule: (id, { delayMs }) => call(async () => reschedule((await queue.getJob(id)) as Job | undefined, delayMs)),
  };
}

async function count(queue: Queue): Promise<Counts> {
  const { wait = 0, prioritized = 0, delayed = 0, active = 0 } = await queue.getJobCounts("wait", "prioritized", "delayed", "active");
  return { ready: wait + prioritized, delayed, running: active };
}

async function peek(queue: Queue, n: number) {
  if (n < 1) return [];
  const [waiting, prioritized] = await Promise.all([queue.getJobs(["wait"], 0, n - 1, true), queue.getJobs(["prioritized"], 0, n - 1, true)]);
  return [...waiting, ...prioritized].slice(0, n).map((job) => ({ id: String(job.id), body: job.data as unknown }));
}

const states: Record<string, MessageState> = {
  completed: "done",
  failed: "failed",
  delayed: "delayed",
  active: "running",
  waiting: "waiting",
  prioritized: "waiting",
  "waiting-children": "waiting",
};

async function reschedule(job: Job | undefined, delayMs: number): Promise<boolean> {
  if ((await job?.getState()) !== "delayed") return false;
  await job?.changeDelay(delayMs);
  return true;
}

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
async function makePublisher(bull: Bullmq, queue: Queue, client: Redis, defaults: Partial<JobsOptions> | undefined, explain: RedisClients["explain"]) {
  const backend = queue.getBackend();
  const commands = await backend.client;
  const priorities = await makePriorities(queue, client);
  let waiting: Entry[] = [];

  function toEntry(message: Message, call: Call, index: number, timestamp: number): Entry {
    const opts = jobOptions(message, priorities.of);
    // BullMQ's own class where it has something to check or to derive; elsewhere what it would make is written down directly.
    if (message.native || defaults || opts.delay) {
      const made = new bull.Job(queue, queue.name, message.body, { ...defaults, ...message.native, ...opts }, message.id).toFlowEntry();
      return { job: made.jobData, id: made.jobId, call, index };
    }
    const job = { name: queue.name, data: JSON.stringify(message.body ?? null), opts, timestamp };
    return { job: job as unknown as JobJson, id: message.id, call, index };
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
      for (const message of messages) if (message.id !== undefined) checkId(message.id, queue);
      if (messages.length === 0) return [];
      const sooner = messages.some(({ priority, ahead }) => (priority ?? 0) > 0 && !ahead);
      if (sooner) await priorities.use();
      const published = await enqueue(messages);
      if (sooner) await priorities.sweep();
      messages.forEach(({ ahead, delayMs }, i) => ahead && delayMs && aheadAgainAfter(delayMs, () => queue.getJob(published[i]?.id ?? "")));
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
  else call.results[index] = existing ? { id: String(reply), existing } : { id: String(reply) };
  if (--call.left === 0) call.settle(call);
}

function publishError(error: unknown, results: readonly (Published | undefined)[], explain: RedisClients["explain"]): Error {
  const accepted = results.flatMap((each) => (each ? [each.id] : []));
  const cause = explain(error);
  if (accepted.length === 0 && isFunboostError(cause)) return cause;
  return new PublishError(`${results.length - accepted.length} of ${results.length} messages were not accepted: ${cause.message}`, accepted, { where: "bullmq", cause });
}

const marker = "id~";

/** BullMQ's key for a task id. It takes no ":", and its own key names would collide: such ids are written in another way, and read back by `taskId`. */
function jobId(id: string, queue: Queue): string {
  if (/^-?\d+$/.test(id)) {
    const text = `BullMQ counts its own job ids, so it cannot take the task id ${describe(id)}. Allowed is any text that is no whole number: "order-${id}".`;
    throw new FunboostError("BAD_OPTION", text, { where: queue.name });
  }
  if (id && !id.includes(":") && !id.startsWith(marker) && !(id in queue.keys)) return id;
  return marker + id.replace(/[%:]/g, (character) => (character === ":" ? "%3A" : "%25"));
}

function checkSpec({ queue, options }: QueueSpec): BullmqQueueOptions {
  if (!queue || queue.includes(":")) {
    throw new FunboostError("BAD_QUEUE", `BullMQ cannot take the queue name ${describe(queue)}. Allowed is any text without ":".`, { where: "bullmq" });
  }
  checkNames(options, ["prefix", "queue", "worker", "job"], `brokerOptions of "${queue}"`);
  return options as BullmqQueueOptions;
}

function checkNames(options: object, allowed: readonly string[], of: string): void {
  const unknown = Object.keys(options).find((name) => !allowed.includes(name));
  if (unknown) throw new FunboostError("BAD_OPTION", `${of} has no "${unknown}". Allowed: ${allowed.join(", ")}.`, { where: "bullmq" });
}

async function loadBullmq(): Promise<Bullmq> {
  try {
    return await import("bullmq");
  } catch (cause) {
    throw missingPeer("bullmq", "bullmq", cause);
  }
}
