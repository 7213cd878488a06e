/** The consuming half of the BullMQ adapter: one Worker, what it holds, and how it closes. */
import type { Job, JobsOptions, Worker, WorkerOptions } from "bullmq";
import { clock, sleep } from "../../src/base/clock.ts";
import type { ConsumeOptions, Consumer, Delivery, Handler } from "../../src/contract/index.ts";
import { inNeutralContext } from "../shared/neutral-context.ts";
import type { RedisClients } from "../shared/redis-clients.ts";
import { resultOrNull } from "../shared/result-or-null.ts";
import { type BrokenOptions, type Held, seeToBrokenJobs } from "./broken-jobs.ts";
import type { Bullmq } from "./bullmq.ts";
import { isOurs, type OwnOptions, rulesOf } from "./foreign.ts";
import { taskId } from "./job-ids.ts";
import { isLapsed, keepLeases, keepLosses, type Leases } from "./leases.ts";
import { fetchesAfterPutBack } from "./major.ts";
import { createSettler } from "./settle.ts";
import { tellBull, workerName } from "./tools.ts";
import { createWindow } from "./window.ts";

type Own = Partial<WorkerOptions> & {
  readonly prefix: string;
  readonly lockDuration: number;
  /** What others have left among what has ended stays as it is. */
  readonly adopt: boolean;
};

interface HeldJob extends Held {
  readonly delivery: Delivery;
  readonly attemptsMade: number;
  /** Put back by us, which BullMQ does not count as an attempt; or ended, and it does not say so. */
  moved: boolean;
}

interface State {
  readonly jobs: Map<Job, HeldJob>;
  readonly onIdle: (() => void)[];
  readonly report: (error: unknown) => void;
  closed: boolean;
  lastFetchAt?: number;
}

/** Done jobs that a consumer keeps for BullMQ's tools: keeping each costs 12 % of the speed at 35,000 jobs/s. */
const mostKeptPerSecond = 200;

const longestWaitSeconds = 5;

/** Job gone, lock gone, lock of another, not active: onSettled tells of it. */
const isStale = (error: unknown): boolean => Number((error as { code?: unknown }).code) < 0;

/** Consumes one queue with one Worker. Nothing is fetched until `setWindow`. */
export async function consumeJobs(
  bull: Bullmq,
  queue: string,
  clients: RedisClients,
  own: Own,
  handler: Handler,
  options: ConsumeOptions,
): Promise<Consumer> {
  const [connection, commands] = await Promise.all([clients.get("patient"), clients.get("commands")]);
  const report = (error: unknown) => void (isStale(error) || state.closed || options.onError(clients.explain(error)));
  const state: State = { jobs: new Map(), onIdle: [], report, closed: false };
  const settle = createSettler(bull, () => leases, report);
  const drop = createDropper(own);
  const toDelivery = createReader(own, (job, losses) => keepLosses(worker, commands, job, losses).catch(report));

  // Not async: with async hooks in use each promise of a run costs BullMQ about 1 %.
  function run(job: Job, token?: string, signal?: AbortSignal): Promise<unknown> {
    const entry = hold(job, toDelivery(job, signal));
    if (state.closed) return settle({ outcome: "returned" }, job, entry, token); // the fetch was under way
    state.jobs.set(job, entry);
    state.lastFetchAt = clock.monotonic();
    return handler(entry.delivery).then((settlement) => {
      entry.settlement = settlement;
      if (settlement.outcome !== "done") return settle(settlement, job, entry, token);
      drop?.(job, clock.monotonic());
      return resultOrNull(settlement.result);
    });
  }

  const processor = options.signal ? run : withoutSignal(run);
  const worker = inNeutralContext(() => waitBriefly(new bull.Worker(queue, processor, workerOptions(own, connection))));
  seeToBrokenJobs(worker, commands, state.jobs, report);
  watchEnds(worker, state, options.onSettled);
  if (own.adopt) tellBull(worker, commands, report);
  await worker.waitUntilReady();
  const leases: Leases = inNeutralContext(() => keepLeases(worker, connection, state.jobs, report));
  endDespiteLapse(worker, state.jobs, leases);
  const window = createWindow(worker, state.jobs, report);
  return {
    setWindow: (n) => inNeutralContext(() => window.set(n)),
    status: () => statusOf(state),
    close: createClose(worker, state, window.stop, leases.stop),
  };
}

type Process = (job: Job, token?: string, signal?: AbortSignal) => Promise<unknown>;

/** With a third parameter BullMQ makes an AbortController for each job, which costs 4 to 7 %. */
const withoutSignal =
  (run: Process): Process =>
  (job, token) =>
    run(job, token);

function statusOf({ jobs, lastFetchAt }: State): ReturnType<Consumer["status"]> {
  const held = [...jobs.keys()].map((job) => taskId(job.id));
  return lastFetchAt === undefined ? { held } : { held, lastFetchAt };
}

const hold = (job: Job, delivery: Delivery): HeldJob => ({
  delivery,
  attemptsMade: job.attemptsMade,
  moved: false,
  settlement: undefined,
});

/** For a job: a connection that dies meanwhile is noticed at the end of the wait. BullMQ's own limit is 10 s. */
function waitBriefly(worker: Worker): Worker {
  const waits = worker as unknown as { getBlockTimeout(until: number): number }; // protected to the compiler only
  const own = waits.getBlockTimeout.bind(worker);
  waits.getBlockTimeout = (until) => (until ? Math.min(own(until), longestWaitSeconds) : own(until));
  return worker;
}

function workerOptions({ adopt, ...own }: Own, connection: WorkerOptions["connection"]): WorkerOptions {
  return {
    ...(adopt ? {} : { removeOnComplete: { count: 1_000 }, removeOnFail: { count: 5_000 } }),
    name: workerName,
    runRetryDelay: 1_000,
    // A kill -9 is noticed within a lease and two checks, so in 28 s at a lease of 15 s.
    stalledInterval: Math.max(1, Math.floor(own.lockDuration * 0.4)),
    ...own,
    connection,
    concurrency: 1,
    autorun: false,
    maxStalledCount: 2 ** 31 - 1, // a cap would end a message without an answer to its caller
    maxStartedAttempts: 0,
    // Both are done in keepLeases: BullMQ's renewal stops for a minute when the wall clock goes back by one.
    skipLockRenewal: true,
    skipStalledCheck: true,
  };
}

/** `onLosses`: BullMQ has counted some. */
function createReader({ settings }: Own, onLosses: (job: Job, losses: number) => void) {
  return (job: Job, signal: AbortSignal | undefined): Delivery => {
    const opts: JobsOptions & BrokenOptions & OwnOptions = job.opts;
    const crashes = (opts.losses ?? 0) + (job.stalledCounter || 0);
    if (job.stalledCounter > 0) onLosses(job, crashes);
    const delivery: { -readonly [K in keyof Delivery]: Delivery[K] } = {
      id: taskId(job.id),
      body: job.data as unknown,
      attempt: (job.attemptsMade || 0) + (opts.attempt ?? 1),
      crashes,
      ahead: opts.lifo === true,
      publishedAt: opts.publishedAt ?? (job.timestamp || clock.now()),
      native: job,
    };
    if (job.name !== job.queueName) delivery.job = job.name; // member by member: spreads cost more than all the rest
    if (!isOurs(job)) delivery.rules = rulesOf(job, settings?.backoffStrategy);
    if (opts.unreadable !== undefined) delivery.unreadable = opts.unreadable;
    if (signal) delivery.signal = signal;
    return delivery;
  };
}

/**
 * Where they are many; of an adopted queue all of ours: to keep some means to trim what others keep. A job with a given
 * id stays, by which a second publish under that id is noticed; there the store notices it.
 */
function createDropper({ adopt, removeOnComplete }: Own) {
  if (removeOnComplete !== undefined) return undefined;
  let count = 0;
  let since = 0;
  const isMany = (now: number) => {
    if (now - since >= 1_000) {
      count = 0;
      since = now;
    }
    return ++count > mostKeptPerSecond;
  };
  return (job: Job, now: number): void => {
    const mayGo = adopt ? isOurs(job) : isMany(now) && /^\d+$/.test(job.id ?? "");
    if (mayGo && job.opts.removeOnComplete === undefined) job.opts.removeOnComplete = true;
  };
}

/** `applied` or `stale`, once for each delivery, whatever way its job ended. */
function watchEnds(worker: Worker, { jobs, onIdle }: State, onSettled: ConsumeOptions["onSettled"]): void {
  const processJob = worker.processJob.bind(worker);
  worker.processJob = (job, token, fetchNext) => {
    const processed = processJob(job, token, fetchNext);
    const ended = () => {
      const entry = jobs.get(job);
      if (!entry) return;
      jobs.delete(job);
      onSettled(entry.delivery, entry.moved || job.attemptsMade > entry.attemptsMade ? "applied" : "stale");
      if (jobs.size === 0) for (const resolve of onIdle.splice(0)) resolve();
    };
    processed.then(ended, ended);
    return processed;
  };
}

/** How BullMQ ends a job: meant for its subclasses. */
interface Endings {
  handleCompleted(result: unknown, job: Job, ...rest: readonly unknown[]): Promise<unknown>;
  handleFailed(error: Error, job: Job, ...rest: readonly unknown[]): Promise<unknown>;
}

/** A job that ended while its lock had lapsed unseen is ended all the same. BullMQ fails what it could not complete. */
function endDespiteLapse(worker: Worker, jobs: State["jobs"], leases: Leases): void {
  const endings = worker as unknown as Endings;
  const fail = endings.handleFailed.bind(worker);
  endings.handleFailed = async (error, job, ...rest) => {
    const settlement = jobs.get(job)?.settlement;
    if (settlement?.outcome === "done" && isLapsed(error) && (await leases.renew(job)))
      return endings.handleCompleted(resultOrNull(settlement.result), job, ...rest);
    if (!fetchesAfterPutBack(worker, error, rest[1])) return undefined;
    return leases.withLock(job, () => fail(error, job, ...rest));
  };
}

function createClose(
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
    else if (state.jobs.size > 0 && !closing) await new Promise<void>((resolve) => state.onIdle.push(resolve));
    await (closing ??= end(force));
  };
}
