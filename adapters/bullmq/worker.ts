/** The consuming half of the BullMQ adapter: one Worker, its window, its leases, and how deliveries end. */
import type { Job, JobsOptions, Worker, WorkerOptions } from "bullmq";
import { clock, repeat, sleep } from "../../src/base/clock.ts";
import type { ConsumeOptions, Consumer, Delivery, Handler, Settlement } from "../../src/contract/index.ts";
import { inNeutralContext } from "../shared/neutral-context.ts";
import type { RedisClients } from "../shared/redis-clients.ts";
import { resultOrNull } from "../shared/result-or-null.ts";
import { aheadAgainAfter, taskId } from "./jobs.ts";

export type Bullmq = Pick<typeof import("bullmq"), "Job" | "Queue" | "Worker" | "WaitingError">;
type Own = Partial<WorkerOptions> & { readonly prefix: string; readonly lockDuration: number };

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

/** Done jobs that a consumer keeps for BullMQ's tools per second: keeping each costs 12 % of the speed at 35,000 jobs/s. */
const keptPerSecond = 200;

/** Consumes one queue with one Worker. Nothing is fetched until `setWindow`. */
export async function consumeJobs(
  bull: Bullmq,
  queue: string,
  clients: RedisClients,
  own: Own,
  handler: Handler,
  options: ConsumeOptions,
): Promise<Consumer> {
  const connection = await clients.get("patient");
  const report = (error: unknown) => void (isStale(error) || state.closed || options.onError(clients.explain(error)));
  const state: State = { held: new Map(), onIdle: [], report, closed: false };
  const settle = settler(bull, report);
  const dropIfMany = makeDropper();
  const mayDrop = own.removeOnComplete === undefined;

  // Not async: with async hooks in use each promise of a run costs BullMQ about 1 %.
  function run(job: Job, token?: string, signal?: AbortSignal): Promise<unknown> {
    const entry: Held = { delivery: toDelivery(job, signal), attemptsMade: job.attemptsMade, moved: false };
    if (state.closed) return settle({ outcome: "returned" }, job, entry, token); // the fetch was under way
    state.held.set(job, entry);
    state.lastFetchAt = clock.monotonic();
    return handler(entry.delivery).then((settlement) => {
      if (settlement.outcome !== "done") return settle(settlement, job, entry, token);
      if (mayDrop) dropIfMany(job, clock.monotonic());
      return resultOrNull(settlement.result);
    });
  }

  // With a third parameter BullMQ makes an AbortController for each job, which costs 4 to 7 %.
  const processor = options.signal
    ? (job: Job, token?: string, signal?: AbortSignal) => run(job, token, signal)
    : (job: Job, token?: string) => run(job, token);
  const worker = inNeutralContext(() => new bull.Worker(queue, processor, { ...workerOptions(own), connection }));
  worker.on("error", report);
  watchEnds(worker, state, options.onSettled);
  await worker.waitUntilReady();
  const stopLeases = inNeutralContext(() => keepLeases(worker, state));
  const window = makeWindow(worker, state);
  return {
    setWindow: (n) => inNeutralContext(() => window.set(n)),
    status: () => ({
      held: [...state.held.keys()].map((job) => taskId(job.id)),
      ...(state.lastFetchAt !== undefined ? { lastFetchAt: state.lastFetchAt } : {}),
    }),
    close: closer(worker, state, window.stop, stopLeases),
  };
}

function workerOptions(own: Own): Omit<WorkerOptions, "connection"> {
  return {
    removeOnComplete: { count: 1_000 },
    removeOnFail: { count: 5_000 },
    runRetryDelay: 1_000,
    // A kill -9 is noticed within a lease and two checks, so in 28 s at a lease of 15 s.
    stalledInterval: Math.max(1, Math.floor(own.lockDuration * 0.4)),
    ...own,
    concurrency: 1,
    autorun: false,
    maxStalledCount: 2 ** 31 - 1, // a cap would end a message without an answer to its caller
    maxStartedAttempts: 0,
    // Both are done in keepLeases: BullMQ's renewal stops for a minute when the wall clock goes back by one.
    skipLockRenewal: true,
    skipStalledCheck: true,
  };
}

function toDelivery(job: Job, signal: AbortSignal | undefined): Delivery {
  const opts: JobsOptions & { attempt?: number; publishedAt?: number } = job.opts;
  const delivery = {
    id: taskId(job.id),
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
  return (job: Job, now: number): void => {
    if (now - since >= 1_000) {
      kept = 0;
      since = now;
    }
    // A job with a given id stays: it is how a second publish under that id is noticed.
    if (++kept > keptPerSecond && job.opts.removeOnComplete === undefined && /^\d+$/.test(job.id ?? ""))
      job.opts.removeOnComplete = true;
  };
}

/** Every way but "done" in which a delivery can end, in BullMQ's words. */
function settler(bull: Bullmq, report: (error: unknown) => void) {
  async function putBack(entry: Held, move: Promise<unknown>): Promise<never> {
    await move.then(() => (entry.moved = true), report);
    throw new bull.WaitingError(); // tells BullMQ that the job has been taken care of
  }
  return async (
    settlement: Exclude<Settlement, { outcome: "done" }>,
    job: Job,
    entry: Held,
    token: string | undefined,
  ): Promise<never> => {
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

const meantForBullmq = new Set(["DelayedError", "WaitingError", "WaitingChildrenError", "UnrecoverableError"]);

/** The core counts the attempts: BullMQ is told just now that one more is allowed, or none. Right for jobs of others too. */
function ending(job: Job, error: Error, attempts: 1 | 2): Error {
  job.opts.attempts = job.attemptsMade + attempts;
  job.opts.stackTraceLimit ??= 10;
  if (
    typeof error.message === "string" &&
    !meantForBullmq.has(error.name) &&
    error.message !== "bullmq:rateLimitExceeded"
  )
    return error;
  return Object.assign(new Error(`${error.name}: ${String(error.message)}`), { stack: String(error.stack) });
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

/** Job gone, lock gone, lock of another, not active: onSettled tells of it. */
const isStale = (error: unknown): boolean => Number((error as { code?: unknown }).code) < 0;

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

function closer(
  worker: Worker,
  state: State,
  stopFetching: () => void,
  stopLeases: () => Promise<unknown>,
): Consumer["close"] {
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
