/** The publishing half of the Bee-Queue adapter: what one tick publishes is written together. */
import { clock } from "../../src/base/clock.ts";
import { bodyText } from "../../src/base/json.ts";
import type { BrokerQueue, Message } from "../../src/contract/index.ts";
import { accept, createPublishBatches, type PublishEntry, refuse } from "../shared/publish-batches.ts";
import { publishError } from "../shared/publish-error.ts";
import type { BeeJob } from "./bee.ts";
import { whenReady } from "./node-redis.ts";
import type { OpenQueue } from "./open-queue.ts";
import { checkId, checkMessageOptions } from "./options.ts";
import { scripts } from "./scripts.ts";

interface NewJob {
  readonly job: BeeJob;
  /** As Bee-Queue stores it. */
  readonly text: string;
}

/** Of one script: small enough that the server works on one while the next is made. */
const batchSize = 250;

/**
 * The jobs are Bee-Queue's own. Its saveAll() sends one script call for each: 0.86 of its rate with what boost() adds,
 * against 1.4 this way, measured.
 */
export function createPublisher(
  queue: OpenQueue,
  defaults: Readonly<Record<string, unknown>> | undefined,
): BrokerQueue["publish"] {
  const { explain } = queue.clients;
  const enqueue = createPublishBatches<NewJob>({
    size: batchSize,
    send: (batch) => void save(queue, batch),
    explain: (error, accepted, count) => publishError("bee-queue", explain(error), accepted, count),
  });
  return (messages) => {
    try {
      return enqueue(messages.map((message) => newJob(message, queue, defaults))); // refuses before anything is sent
    } catch (error) {
      return Promise.reject(error);
    }
  };
}

/** Never rejects: each call gets its own answer. */
async function save(
  { clients, base, publishTimeoutMs }: OpenQueue,
  batch: readonly PublishEntry<NewJob>[],
): Promise<void> {
  try {
    await whenReady(await clients.commands(), publishTimeoutMs);
    const args = batch.flatMap(({ job: { job, text } }) => [
      job.id ?? "",
      text,
      job.options.delay ?? (job.options.ahead ? "front" : "waiting"),
    ]);
    const ids = (await clients.run(scripts.add, base, args)) as string[];
    for (const [i, entry] of batch.entries())
      accept(entry, ids[i] ? { id: ids[i] } : { id: entry.job.job.id ?? "", existing: true });
  } catch (error) {
    for (const entry of batch) refuse(entry, error ?? new Error("connection is closed"));
  }
}

function newJob(
  { id, body, delayMs = 0, attempt = 1, publishedAt, ahead, foreign, native }: Message,
  { bee, name }: OpenQueue,
  defaults: object | undefined,
): NewJob {
  checkMessageOptions(native, name);
  const job = bee.createJob(undefined);
  if (foreign) Object.assign(job.options, foreign);
  else if (defaults || native) Object.assign(job.options, defaults, native);
  if (id !== undefined) job.setId(checkId(id, name));
  if (!foreign) job.options.funboost = 1;
  if (publishedAt !== undefined) job.options.timestamp = publishedAt;
  if (attempt > 1) job.options.attempt = attempt;
  if (ahead) job.options.ahead = true;
  if (delayMs > 0) job.delayUntil(Math.ceil(clock.now() + delayMs));
  const { options, status, progress } = job;
  return { job, text: `{"data":${bodyText(body)},${JSON.stringify({ options, status, progress }).slice(1)}` };
}
