/** The publishing half of the Bee-Queue adapter: what one tick publishes is written together, and each call gets its own answer. */
import { clock } from "../../src/base/clock.ts";
import { describe, FunboostError, isFunboostError, PublishError } from "../../src/base/errors.ts";
import type { BrokerQueue, Message, Published } from "../../src/contract/index.ts";
import type { BeeClients } from "./client.ts";
import type { BeeJob, OpenQueue } from "./jobs.ts";
import { scripts } from "./scripts.ts";

/** Half a character, which UTF-8 cannot write. */
export const halfCharacter = /\p{Surrogate}/u;

/** What Bee-Queue's own workers read. All else of a job, such as when it is due, is ours to write. */
export const jobOptions = ["retries", "backoff", "timeout"] as const;

export function checkNames(options: unknown, allowed: readonly string[], of: string): void {
  const fault =
    typeof options !== "object" || options === null ? `must be an object, got ${describe(options)}` : undefined;
  const unknown = fault ? undefined : Object.keys(options as object).find((name) => !allowed.includes(name));
  if (fault || unknown)
    throw new FunboostError("BAD_OPTION", `${of} ${fault ?? `has no "${unknown}"`}. Allowed: ${allowed.join(", ")}.`, {
      where: "bee-queue",
    });
}

/** One publish() call: its jobs may travel in several batches, among those of other calls. */
interface Call {
  readonly published: (Published | undefined)[];
  left: number;
  error?: unknown;
  readonly settle: (call: Call) => void;
}

interface Entry {
  readonly job: BeeJob;
  readonly call: Call;
  readonly index: number;
}

/** Of one script: small enough that the server works on one while the next is made. */
const batchSize = 250;

/** The jobs are Bee-Queue's own. Its saveAll() sends one script call for each: 0.86 of its rate with what boost() adds, against 1.4 this way, measured. */
export function makePublisher(
  queue: OpenQueue,
  defaults: Readonly<Record<string, unknown>> | undefined,
): BrokerQueue["publish"] {
  let waiting: Entry[] = [];
  const flush = () => {
    const batch = waiting;
    waiting = [];
    if (batch.length > 0) void save(queue, batch);
  };
  return (messages: readonly Message[]): Promise<readonly Published[]> =>
    new Promise((resolve, reject) => {
      const jobs = messages.map((message) => newJob(message, queue, defaults)); // refuses before anything is sent
      const settle = ({ error, published }: Call) =>
        error === undefined ? resolve(published as Published[]) : reject(publishError(error, published, queue.clients));
      const call: Call = { published: new Array(jobs.length).fill(undefined), left: jobs.length, settle };
      if (jobs.length === 0) return resolve([]);
      for (const [index, job] of jobs.entries()) {
        if (waiting.push({ job, call, index }) === 1) queueMicrotask(flush);
        if (waiting.length >= batchSize) flush();
      }
    });
}

/** Never rejects: each call gets its own answer. */
async function save({ clients, base }: OpenQueue, batch: readonly Entry[]): Promise<void> {
  let ids: readonly string[] = [];
  let failed: unknown;
  try {
    const args = batch.flatMap(({ job }) => [
      job.id ?? "",
      job.toData(),
      job.options.delay ?? (job.options.ahead ? "front" : "waiting"),
    ]);
    ids = (await clients.run(scripts.add, base, args)) as string[];
  } catch (error) {
    failed = error ?? new Error("connection is closed");
  }
  for (const [i, { job, call, index }] of batch.entries()) {
    if (failed !== undefined) call.error ??= failed;
    else call.published[index] = ids[i] ? { id: ids[i] } : { id: job.id ?? "", existing: true };
    if (--call.left === 0) call.settle(call);
  }
}

function publishError(error: unknown, published: Call["published"], { explain }: BeeClients): Error {
  const accepted = published.flatMap((each) => (each ? [each.id] : []));
  const cause = explain(error);
  if (accepted.length === 0 && isFunboostError(cause)) return cause;
  const text = `${published.length - accepted.length} of ${published.length} messages were not accepted: ${cause.message}`;
  return new PublishError(text, accepted, { where: "bee-queue", cause });
}

function newJob(
  { id, body, delayMs = 0, attempt = 1, publishedAt, ahead, native }: Message,
  { bee, name }: OpenQueue,
  defaults: object | undefined,
): BeeJob {
  if (native) checkNames(native, jobOptions, `a message of "${name}"`);
  const job = bee.createJob(body);
  job.data = body ?? null; // Bee-Queue makes {} of null, 0, false and ""
  if (defaults || native) Object.assign(job.options, defaults, native);
  if (id !== undefined) job.setId(checkId(id, name));
  if (publishedAt !== undefined) job.options.timestamp = publishedAt;
  if (attempt > 1) job.options.attempt = attempt;
  if (ahead) job.options.ahead = true;
  if (delayMs > 0) job.delayUntil(Math.ceil(clock.now() + delayMs));
  return job;
}

function checkId(id: string, queue: string): string {
  if (id !== "" && !/^-?\d+$/.test(id) && !halfCharacter.test(id)) return id;
  const text = `Bee-Queue counts its own job ids, so it cannot take the task id ${describe(id)}. Allowed is any text that is no whole number: "order-${id}".`;
  throw new FunboostError("BAD_OPTION", text, { where: queue });
}
