/** The consuming half of the BullMQ adapter: one Worker, its window, how deliveries end; and the scripts that keep priorities in order and cancel. */
import type { Job, JobsOptions, Queue, Worker, WorkerOptions } from "bullmq";
import type { Redis } from "ioredis";
import { clock, repeat, sleep } from "../../src/clock.ts";
import type { Consumer, ConsumeOptions, Delivery, Handler, Settlement } from "../../src/contract/index.ts";
import { inNeutralContext, type RedisClients } from "../shared/redis-client.ts";

export type Bullmq = Pick<typeof import("bullmq"), "Job" | "Queue" | "Worker" | "WaitingError">;
export type OwnWorkerOptions = Partial<WorkerOptions> & { readonly prefix: string; readonly lockDuration: number };

interface Held {
  readonly delivery: Delivery;
  readonly attemptsMade: number;
  /** Put back by us, which BullMQ does not count as an attempt. */
  moved: boolean;
}

interface State {
  readonly held: Map<Job, Held>;
  readonly onIdle: (() => void)[];
  readonly report: (error: unknown) => void;
  closed: boolean;
  lastFetchAt?: number;
}

/** An engine's cap on crashes would end a message without an answer to its caller. */
const uncapped = 2 ** 31 - 1;
/** Done jobs that a consumer keeps for BullMQ's tools per second: keeping each costs 12 % of the speed at 35,000 jobs/s. */
const keptPerSecond = 200;

/** Consumes one queue with one Worker. Nothing is fetched until `setWindow`. */
export async function consumeJobs(bull: Bullmq, queue: string, clients: RedisClients, own: OwnWorkerOptions, handler: Handler, options: ConsumeOptions): Promise<Consumer> {
  const connection = await clients.get("patient");
  const report = (error: unknown) => void (isStale(error) || state.closed || options.onError(clients.explain(error)));
  const state: State = { held: new Map(), onIdle: [], report, closed: false };
  const settle = settler(bull, report);
  const dropIfMany = makeDropper();
  const mayDrop = own.removeOnComplete === undefined;

  async function run(job: Job, token?: string, signal?: AbortSignal): Promise<unknown> {
    const entry: Held = { delivery: toDelivery(job, signal), attemptsMade: job.attemptsMade, moved: false };
    if (state.closed) return settle({ outcome: "returned" }, job, entry, token); // the fetch was under way
    state.held.set(job, entry);
    state.lastFetchAt = job.processedOn ?? 0;
    const settlement = await handler(entry.delivery);
    if (settlement.outcome !== "done") return settle(settlement, job, entry, token);
    if (mayDrop) dropIfMany(job);
    return carried(settlement.result);
  }

  // With a third parameter BullMQ makes an AbortController for each job, which costs 4 to 7 %.
  const processor = options.signal ? (job: Job, token?: string, signal?: AbortSignal) => run(job, token, signal) : (job: Job, token?: string) => run(job, token);
  const worker = inNeutralContext(() => new bull.Worker(queue, processor, { ...workerOptions(own), connection }));
  worker.on("error", report);
  watchEnds(worker, state, options.onSettled);
  await worker.waitUntilReady();
  const stopLeases = inNeutralContext(() => keepLeases(worker, state));
  const window = makeWindow(worker, state);
  return {
    setWindow: (n) => inNeutralContext(() => window.set(n)),
    status: () => ({ held: [...state.held.keys()].map((job) => String(job.id)), ...(state.lastFetchAt ? { lastFetchAt: state.lastFetchAt } : {}) }),
    close: closer(worker, state, window.stop, stopLeases),
  };
}

function workerOptions(own: OwnWorkerOptions): Omit<WorkerOptions, "connection"> {
  return {
    removeOnComplete: { count: 1_000 },
    removeOnFail: { count: 5_000 },
    runRetryDelay: 1_000,
    // A kill -9 is noticed within a lease and two checks, so in 28 s at a lease of 15 s.
    stalledInterval: Math.max(1, Math.floor(own.lockDuration * 0.4)),
    ...own,
    concurrency: 1,
    autorun: false,
    maxStalledCount: uncapped,
    maxStartedAttempts: 0,
    // Both are done in keepLeases: BullMQ's renewal stops for a minute when the wall clock goes back by one.
    skipLockRenewal: true,
    skipStalledCheck: true,
  };
}

function toDelivery(job: Job, signal: AbortSignal | undefined): Delivery {
  const opts: JobsOptions & { attempt?: number; publishedAt?: number } = job.opts;
  const delivery = {
    id: job.id as string,
    body: job.data as unknown,
    attempt: job.attemptsMade + (opts.attempt ?? 1),
    crashes: job.stalledCounter,
    ahead: opts.lifo === true,
    publishedAt: opts.publishedAt ?? job.timestamp,
    native: job,
  };
  return signal ? { ...delivery, signal } : delivery;
}

function makeDropper() {
  let kept = 0;
  let since = 0;
  return (job: Job): void => {
    const now = job.processedOn ?? 0;
    if (Math.abs(now - since) >= 1_000) {
      kept = 0;
      since = now;
    }
    // A job with a given id stays: it is how a second publish under that id is noticed.
    if (++kept > keptPerSecond && job.opts.removeOnComplete === undefined && /^\d+$/.test(job.id ?? "")) job.opts.removeOnComplete = true;
  };
}

/** Every way but "done" in which a delivery can end, in BullMQ's words. */
function settler(bull: Bullmq, report: (error: unknown) => void) {
  async function putBack(entry: Held, move: Promise<unknown>): Promise<never> {
    await move.then(() => (entry.moved = true), report);
    throw new bull.WaitingError(); // tells BullMQ that the job has been taken care of
  }
  return async (settlement: Exclude<Settlement, { outcome: "done" }>, job: Job, entry: Held, token: string | undefined): Promise<never> => {
    switch (settlement.outcome) {
      case "failed":
        throw ending(job, settlement.error, 1);
      case "retry":
        job.opts.backoff = { type: "fixed", delay: Math.ceil(settlement.delayMs) };
        if (job.opts.lifo && settlement.delayMs > 0) aheadAgainAfter(settlement.delayMs, async () => job);
        throw ending(job, settlement.error, 2);
      case "postponed":
        if (job.opts.lifo && settlement.delayMs > 0) aheadAgainAfter(settlement.delayMs, async () => job);
        // The wall clock, because BullMQ subtracts it again. Without delay too: so it comes behind what waits.
        return putBack(entry, job.moveToDelayed(Date.now() + Math.ceil(settlement.delayMs), token));
      case "returned":
        return putBack(entry, job.moveToWait(token));
    }
  };
}

/** BullMQ would run a task again whose result it cannot stringify. */
function carried(result: unknown): unknown {
  if (typeof result !== "object" && typeof result !== "bigint") return result;
  try {
    JSON.stringify(result);
    return result;
  } catch {
    return null;
  }
}

const meantForBullmq = new Set(["DelayedError", "WaitingError", "WaitingChildrenError", "UnrecoverableError"]);

/** The core counts the attempts: BullMQ is told just now that one more is allowed, or none. Right for jobs of others too. */
function ending(job: Job, error: Error, attempts: 1 | 2): Error {
  job.opts.attempts = job.attemptsMade + attempts;
  job.opts.stackTraceLimit ??= 10;
  if (typeof error.message === "string" && !meantForBullmq.has(error.name) && error.message !== "bullmq:rateLimitExceeded") return error;
  return Object.assign(new Error(`${error.name}: ${String(error.message)}`), { stack: String(error.stack) });
}

/** BullMQ lets a lifo job that was delayed come last. Brings it to the front when it is due; if this process is gone by then, it comes last. */
export function aheadAgainAfter(delayMs: number, find: () => Promise<Job | undefined>): void {
  const bring = async () => {
    const job = await find();
    await job?.promote().catch(() => {}); // it may have been promoted
    await job?.changePriority({ lifo: true });
  };
  clock.after(delayMs + 5, () => void bring().catch(() => {}), { unref: true });
}

/** `applied` or `stale`, once for each delivery, whatever way its job ended. */
function watchEnds(worker: Worker, { held, onIdle }: State, onSettled: ConsumeOptions["onSettled"]): void {
  const processJob = worker.processJob.bind(worker);
  worker.processJob = (job, token, fetchNext) => {
    const processed = processJob(job, token, fetchNext);
    const ended = () => {
      const entry = held.get(job);
      if (!entry) return;
      held.delete(job);
      onSettled(entry.delivery, entry.moved || job.attemptsMade > entry.attemptsMade ? "applied" : "stale");
      if (held.size === 0) for (const resolve of onIdle.splice(0)) resolve();
    };
    processed.then(ended, ended);
    return processed;
  };
}

function isStale(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === "number" && code < 0; // job gone, lock gone, lock of another, not active: reported by onSettled
}

/** Renews what is held and looks for what dead processes held, by timers that do not follow the wall clock. */
function keepLeases(worker: Worker, { held, report }: State): () => Promise<unknown> {
  const { lockDuration = 15_000, stalledInterval = 6_000 } = worker.opts;
  const rescue = async () => void (await worker.getBackend().moveStalledJobsToWait());
  const renew = async () => {
    const tokens = new Map([...held.keys()].map((job) => [job.id as string, job.token as string]));
    if (tokens.size === 0) return;
    const lost = await worker.extendJobLocks([...tokens.keys()], [...tokens.values()], lockDuration);
    for (const id of lost) worker.cancelJob(id, "lease lost"); // aborts the signal, where there is one
  };
  rescue().catch(report);
  const stops = [repeat(lockDuration / 3, renew, report), repeat(stalledInterval, rescue, report)];
  return () => Promise.all(stops.map((stop) => stop()));
}

function makeWindow(worker: Worker, { held, report }: State) {
  let window = 0;
  let waking = false;
  let stopped = false;
  // Both do their work before their first await: a pause and a resume in a row only wake the loop.
  const pause = () => void worker.pause(true).catch(report);
  const resume = () => {
    void worker.resume().catch(report);
    setImmediate(ensureRunning);
  };
  const run = () => void worker.run().catch(report);
  // A loop that was just ending when it was resumed does not start again by itself.
  const ensureRunning = () => !stopped && window > 0 && !worker.isRunning() && run();
  const wake = () => {
    waking = false;
    if (stopped || window === 0) return;
    pause();
    resume();
  };
  function set(n: number): void {
    if (stopped || n === window) return;
    const full = n > window && held.size >= window;
    window = n;
    if (n === 0) return pause();
    worker.concurrency = n;
    if (worker.isPaused()) resume();
    else if (!worker.isRunning()) run();
    else if (full && !waking) waking = Boolean(setImmediate(wake)); // BullMQ's loop sleeps until a slot is free
  }
  return {
    set,
    stop: () => {
      stopped = true;
      pause();
    },
  };
}

function closer(worker: Worker, state: State, stopFetching: () => void, stopLeases: () => Promise<unknown>): Consumer["close"] {
  let closing: Promise<void> | undefined;
  async function end(force: boolean): Promise<void> {
    void stopLeases();
    await worker.close(true).catch(() => {});
    // What a fetch under way may still bring is returned.
    for (let waited = 0; !force && worker.isRunning() && waited < 1_000; waited += 2) await sleep(2, { unref: true });
  }
  return async ({ force = false } = {}) => {
    if (!state.closed) stopFetching();
    state.closed = true;
    if (force) for (const resolve of state.onIdle.splice(0)) resolve();
    else if (state.held.size > 0 && !closing) await new Promise<void>((resolve) => state.onIdle.push(resolve));
    await (closing ??= end(force));
  };
}

const flag = "funboost:priorities";
const none = 1001;

const sweepScript = `
local kept, seen = {}, 0
while seen < tonumber(ARGV[2]) do
  local id = redis.call('RPOP', KEYS[1])
  if not id then break end
  seen = seen + 1
  local opts = redis.call('HGET', ARGV[1] .. id, 'opts')
  if opts and not string.find(opts, '"lifo":true', 1, true) then
    redis.call('HSET', ARGV[1] .. id, 'priority', ARGV[3])
    redis.call('ZADD', KEYS[2], ARGV[3] * 0x100000000 + redis.call('INCR', KEYS[3]) % 0x100000000, id)
  else
    kept[#kept + 1] = id
  end
end
for i = #kept, 1, -1 do redis.call('RPUSH', KEYS[1], kept[i]) end
return {seen, #kept}`;

const cancelScript = `
local removed = {}
for _, id in ipairs(ARGV) do
  local base, key = KEYS[1], KEYS[1] .. id
  local job = redis.call('HMGET', key, 'parentKey', 'rjk', 'deid')
  if not job[1] and not job[2] and redis.call('EXISTS', key .. ':lock', key .. ':dependencies') == 0 and
    (redis.call('ZREM', base .. 'delayed', id) == 1 or redis.call('ZREM', base .. 'prioritized', id) == 1 or redis.call('LREM', base .. 'wait', 1, id) == 1) then
    if job[3] and redis.call('GET', base .. 'de:' .. job[3]) == id then redis.call('DEL', base .. 'de:' .. job[3]) end
    redis.call('DEL', key, key .. ':logs')
    redis.call('XADD', base .. 'events', 'MAXLEN', '~', 10000, '*', 'event', 'removed', 'jobId', id, 'prev', 'waiting')
    removed[#removed + 1] = id
  end
end
return removed`;

/** Removes what waits or is delayed, in one step with looking: never what runs or has run. Parts of flows and of schedules stay. */
export const cancelJobs = (queue: Queue, client: Redis, ids: readonly string[]) => client.eval(cancelScript, 1, queue.toKey(""), ...ids) as Promise<string[]>;

/**
 * "Bigger is sooner" on BullMQ, which always runs jobs without a priority first, then 1, 2, 3 ...
 * Below none is native: -1 becomes 1002. For above none, every job needs one: the first such publish marks the queue, moves what waits without a
 * priority behind (none becomes 1001), and from then on all publishers give one to each job; those who have not seen the mark yet look every 100 ms
 * while they publish. Queues that never see a positive priority keep plain jobs, which are faster and show as "waiting".
 */
export async function makePriorities(queue: Queue, client: Redis) {
  let used = (await client.hget(queue.toKey("meta"), flag)) !== null;
  let cancelCheck: (() => void) | undefined;
  async function sweep(): Promise<void> {
    const keys = [queue.toKey("wait"), queue.toKey("prioritized"), queue.toKey("pc")];
    for (let limit = 1_000; ; ) {
      const [seen, kept] = (await client.eval(sweepScript, 3, ...keys, queue.toKey(""), limit, none)) as [number, number];
      if (seen < limit) return;
      limit = kept + 1_000;
    }
  }
  async function look(): Promise<void> {
    cancelCheck = undefined;
    used ||= (await client.hget(queue.toKey("meta"), flag)) !== null;
    if (used) await sweep();
  }
  return {
    of: (priority: number) => (priority < 0 || used ? none - Math.round(priority) : 0),
    async use(): Promise<void> {
      if (used) return;
      await client.hset(queue.toKey("meta"), flag, 1);
      used = true;
    },
    sweep,
    checkSoon(): void {
      if (!used) cancelCheck ??= clock.after(100, () => void look().catch(() => {}), { unref: true });
    },
    close: () => cancelCheck?.(),
  };
}
