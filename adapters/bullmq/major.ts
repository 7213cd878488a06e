/** What differs between BullMQ 5 and 6, told by their shape: a bundle hides versions. No other file knows of it. */
import type { Job, JobJson, Queue, Worker } from "bullmq";
import type { Redis } from "ioredis";

/** BullMQ 5's handle on its scripts. */
interface Scripts {
  addJob(client: unknown, json: JobJson, opts: JobJson["opts"], id: string | undefined): Promise<unknown>;
  moveStalledJobsToWait(): Promise<unknown>;
  moveJobFromActiveToWait(id: string, token: string): Promise<unknown>;
}

interface Five {
  readonly client: Promise<Adder["commands"]>;
  readonly scripts: Scripts;
}

/** Undefined: it is of BullMQ 6. */
const five = (owner: Queue | Worker): Five | undefined =>
  "getBackend" in owner ? undefined : (owner as unknown as Five);

export const moveStalledJobs = (worker: Worker): Promise<unknown> =>
  five(worker)?.scripts.moveStalledJobsToWait() ?? worker.getBackend().moveStalledJobsToWait();

export const moveBackToWait = (worker: Worker, id: string, token: string): Promise<unknown> =>
  five(worker)?.scripts.moveJobFromActiveToWait(id, token) ?? worker.getBackend().moveJobFromActiveToWait(id, token);

/** How jobs are added, one by one or in a transaction. */
export interface Adder {
  readonly commands: { multi(): Transaction };
  add(json: JobJson): Promise<unknown>;
  addTo(transaction: Transaction, json: JobJson, id: string | undefined): Promise<unknown>;
}

type Transaction = ReturnType<Awaited<ReturnType<Queue["getBackend"]>["client"]>["multi"]>;

export async function createAdder(queue: Queue): Promise<Adder> {
  const of5 = five(queue);
  if (!of5) {
    const backend = queue.getBackend();
    const noId = undefined as unknown as string;
    return {
      commands: await backend.client,
      add: (json) => backend.addJob(json, noId),
      addTo: (transaction, json, id) => backend.addJobToTransaction(transaction, json, id ?? noId),
    };
  }
  const { scripts } = of5;
  const commands = await of5.client;
  return {
    commands,
    add: (json) => scripts.addJob(commands, json, json.opts, undefined),
    addTo: (transaction, json, id) => scripts.addJob(transaction, json, json.opts, id),
  };
}

/** What is added of a job: checked, and its options in the spelling that the adder takes. */
export function jobJson(job: Job): JobJson {
  if ("toFlowEntry" in job) return job.toFlowEntry().jobData;
  const of5 = job as { asJSON(): JobJson; validateOptions(json: JobJson): void };
  const json = of5.asJSON();
  of5.validateOptions(json);
  return json;
}

/**
 * KEYS: wait, paused, meta, prioritized, delayed, marker, events. ARGV: "paused" or "resumed". As BullMQ 5 does, which
 * parks what waits in "paused". Where both lists have jobs, as some that BullMQ 6 added meanwhile, they become one:
 * BullMQ 5 itself renames one over the other, and what was there is gone.
 */
const pauseScript = `
local function toTail(from, to)
  if redis.call('EXISTS', to) == 0 then
    if redis.call('EXISTS', from) == 1 then redis.call('RENAME', from, to) end
    return
  end
  while true do
    local ids = redis.call('LRANGE', from, 0, 4999)
    if #ids == 0 then return end
    redis.call('RPUSH', to, unpack(ids))
    redis.call('LTRIM', from, #ids, -1)
  end
end
if ARGV[1] == 'paused' then
  toTail(KEYS[2], KEYS[1])
  if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('RENAME', KEYS[1], KEYS[2]) end
  redis.call('HSET', KEYS[3], 'paused', 1)
  redis.call('DEL', KEYS[6])
else
  redis.call('HDEL', KEYS[3], 'paused')
  toTail(KEYS[2], KEYS[1])
  if redis.call('EXISTS', KEYS[1], KEYS[4]) > 0 then
    redis.call('ZADD', KEYS[6], 0, '0')
  else
    local due = redis.call('ZRANGE', KEYS[5], 0, 0, 'WITHSCORES')[2]
    if due then redis.call('ZADD', KEYS[6], due / 0x1000, '1') end
  end
end
redis.call('XADD', KEYS[7], '*', 'event', ARGV[1])`;

export async function setPaused(queue: Queue, client: Redis, paused: boolean): Promise<void> {
  if (!five(queue)) return paused ? queue.pause() : queue.resume();
  const keys = ["wait", "paused", "meta", "prioritized", "delayed", "marker", "events"].map((key) => queue.toKey(key));
  await client.eval(pauseScript, keys.length, ...keys, paused ? "paused" : "resumed");
}

/** The loop that fetches jobs for a worker, and counts those it waits for. */
export interface Loop {
  /** Jobs that the worker holds and the loop does not wait for any more. */
  uncounted(): number;
  /** After a pause. */
  resume(): Promise<void>;
  /** Wakes the loop, which sleeps until a job ends, where there is room for more. */
  wake(): void;
}

/** `onRoom`: an uncounted job has ended. */
export function loopOf(worker: Worker, onRoom: () => void): Loop {
  if (five(worker)) return loopOf5(worker, onRoom);
  return {
    uncounted: () => 0,
    resume: () => worker.resume(),
    wake() {
      // Both do their work before their first await.
      worker.pause(true).catch(() => {});
      worker.resume().catch(() => {});
    },
  };
}

/**
 * Nothing wakes this loop but the end of a job: parents at concurrency 1 would wait for children that nobody fetches.
 * So it is told of a job that still runs that it has ended.
 */
function loopOf5(worker: Worker, onRoom: () => void): Loop {
  const waitedFor = new Map<Job, () => void>();
  let uncounted = 0;
  const processJob = worker.processJob.bind(worker);
  worker.processJob = (job, token, fetchNext = () => true) =>
    new Promise((resolve, reject) => {
      let early = false;
      waitedFor.set(job, () => {
        early = true;
        uncounted += 1;
        resolve(undefined);
      });
      const mayFetch = () => {
        waitedFor.delete(job); // its end may bring the next job, which the loop must see
        return !early && fetchNext();
      };
      const ended = () => {
        waitedFor.delete(job);
        if (!early) return;
        uncounted -= 1;
        onRoom();
      };
      const processed = processJob(job, token, mayFetch);
      processed.then(ended, ended);
      processed.then(resolve, reject);
    });
  return {
    uncounted: () => uncounted,
    resume: async () => worker.resume(),
    wake() {
      const [first] = waitedFor;
      if (!first) return; // it is awake, or about to be
      waitedFor.delete(first[0]);
      first[1]();
    },
  };
}

const movedByItself = new Set(["DelayedError", "WaitingError", "WaitingChildrenError"]);

/** BullMQ 5, up to one of its last, fetches the next job after one that was put back, whether or not it may. */
export function fetchesAfterPutBack(worker: Worker, error: Error, mayFetch: unknown): boolean {
  if (!five(worker) || !movedByItself.has(error.name) || typeof mayFetch !== "function") return true;
  return !worker.closing && !worker.isPaused() && mayFetch() === true;
}
