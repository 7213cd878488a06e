/** Jobs of every kind that BullMQ's users add, and what their processors do: for BullMQ's own worker and for ours. */
import {
  DelayedError,
  type FlowProducer,
  type Job,
  type JobsOptions,
  type Queue,
  UnrecoverableError,
  WaitingError,
  Worker,
} from "bullmq";

export interface Tools {
  readonly queue: Queue;
  readonly flows: FlowProducer;
  readonly token: string;
}

export interface Kind {
  readonly name: string;
  readonly jobs?: number;
  readonly data?: unknown;
  readonly opts?: JobsOptions | ((i: number) => JobsOptions);
  /** Adds one by itself, and answers its id. */
  add?(tools: Tools, name: string): Promise<string>;
  /** `run` is 1 at the first. */
  work(job: Job, run: number, tools: Tools): unknown;
  /** In words, between the runs of one job. */
  readonly waits?: string;
  /** Their shortest times, in milliseconds. */
  readonly waitMs?: readonly number[];
  /** It holds up the others for a while. */
  readonly alone?: true;
  /** What is another with boost. */
  readonly differs?: string;
}

const fail = (text = "no"): never => {
  throw new Error(text);
};
const failsUntil = (last: number) => (_job: Job, run: number) => (run < last ? fail() : `run ${run}`);

class BadInput extends UnrecoverableError {}
const named = (name: string) => Object.assign(new Error(name), { name });

/** With a limiter the server keeps to `queue.rateLimit()` too; without one each worker does for itself, more or less. */
export const workerOptions = {
  settings: {
    backoffStrategy: (attempt: number, type?: string) => (type === "gives up" && attempt === 2 ? -1 : attempt * 20),
  },
  limiter: { max: 1_000_000, duration: 60_000 },
};

const retries: readonly Kind[] = [
  { name: "no `attempts`, throws", work: () => fail() },
  { name: "`attempts: 0`, throws", opts: { attempts: 0 }, work: () => fail() },
  { name: "`attempts: 3`, throws", opts: { attempts: 3 }, waits: "none", work: () => fail() },
  { name: "`attempts: 5`, done at the third run", opts: { attempts: 5 }, waits: "none", work: failsUntil(3) },
  {
    name: '`attempts: 8`, `backoff: { type: "fixed", delay: 50 }`',
    opts: { attempts: 8, backoff: { type: "fixed", delay: 50 } },
    waits: "50 ms each",
    waitMs: [50, 50, 50, 50, 50, 50, 50],
    work: () => fail(),
  },
  {
    name: "`attempts: 2`, `backoff: 80`",
    opts: { attempts: 2, backoff: 80 },
    waits: "80 ms",
    waitMs: [80],
    work: () => fail(),
  },
  {
    name: '`attempts: 4`, `backoff: { type: "exponential", delay: 30 }`',
    opts: { attempts: 4, backoff: { type: "exponential", delay: 30 } },
    waits: "30, 60, 120 ms",
    waitMs: [30, 60, 120],
    work: () => fail(),
  },
  {
    name: "exponential with `jitter: 0.5`",
    opts: { attempts: 3, backoff: { type: "exponential", delay: 100, jitter: 0.5 } },
    waits: "50 to 100, 100 to 200 ms",
    waitMs: [50, 100],
    work: () => fail(),
  },
  {
    name: "a strategy of the worker's own (`settings.backoffStrategy`)",
    opts: { attempts: 4, backoff: { type: "steps" } },
    waits: "20, 40, 60 ms",
    waitMs: [20, 40, 60],
    work: () => fail(),
  },
  {
    name: "that strategy answers -1 after the second run",
    opts: { attempts: 9, backoff: { type: "gives up" } },
    waits: "20 ms",
    waitMs: [20],
    work: () => fail(),
  },
];

const thrown: readonly Kind[] = [
  {
    name: "throws `UnrecoverableError`",
    opts: { attempts: 5 },
    work: () => {
      throw new UnrecoverableError("never");
    },
  },
  {
    name: "throws a class that extends it",
    opts: { attempts: 5 },
    work: () => {
      throw new BadInput("never");
    },
  },
  {
    name: "throws any error of that name",
    opts: { attempts: 5 },
    work: () => {
      throw named("UnrecoverableError");
    },
  },
  {
    name: "`queue.rateLimit()` and `RateLimitError`, six times",
    jobs: 4,
    alone: true,
    waits: "20 ms each",
    waitMs: [20, 20, 20, 20, 20, 20],
    async work(_job, run, { queue }) {
      if (run > 6) return run;
      await queue.rateLimit(20);
      throw Worker.RateLimitError();
    },
  },
  {
    name: "`moveToDelayed()` and `DelayedError`, twice",
    waits: "60 ms each",
    waitMs: [60, 60],
    async work(job, run, { token }) {
      if (run > 2) return run;
      await job.moveToDelayed(Date.now() + 60, token);
      throw new DelayedError();
    },
  },
  {
    name: "`moveToWait()` and `WaitingError`",
    waits: "none",
    async work(job, run, { token }) {
      if (run > 1) return run;
      await job.moveToWait(token);
      throw new WaitingError();
    },
  },
  {
    name: "throws a text, no Error",
    work: () => {
      throw "no Error";
    },
    differs: "`failedReason` is the text",
  },
];

const answers: readonly Kind[] = [
  { name: "no options", work: (job) => ({ id: typeof job.id, got: job.data as unknown }) },
  { name: "returns nothing", work: () => undefined },
  {
    name: "returns `null`, `0`, `false`, a text",
    work: (job) => [null, 0, false, "", "text"][Number(job.name.split("/")[1]) % 5],
  },
  { name: "returns a Date in an object", work: () => ({ at: new Date(0), none: undefined }) },
  { name: "returns a bigint, `attempts: 2`", opts: { attempts: 2 }, waits: "none", work: () => 10n },
  { name: "data with an `extra`", data: { user: 1, extra: { plan: "pro" } }, work: (job) => job.data },
  { name: "that looks like ours", data: { extra: { msg_expire_seconds: -1, order: 1 } }, work: (job) => job.data },
  { name: "data is `null`", data: null, work: (job) => ({ got: job.data }) },
  { name: "data is a number", data: 7, work: (job) => ({ got: job.data }) },
  { name: 'data is the text `"12"`', data: "12", work: (job) => ({ got: job.data }) },
  { name: "data is a list", data: [1, [2]], work: (job) => ({ got: job.data }) },
  {
    name: "`updateData()` before a retry",
    opts: { attempts: 2 },
    waits: "none",
    async work(job, run) {
      if (run > 1) return job.data;
      await job.updateData({ run });
      return fail();
    },
  },
  {
    name: "`updateProgress()`, `log()`",
    async work(job) {
      await job.updateProgress({ half: true });
      await job.log("half");
    },
  },
];

const options: readonly Kind[] = [
  { name: "`delay: 150`", opts: { delay: 150 }, work: () => "late" },
  { name: "`priority: 1` to `9`", opts: (i) => ({ priority: 1 + (i % 9) }), work: () => "sooner or later" },
  { name: "`lifo: true`", opts: { lifo: true }, work: () => "last in" },
  { name: "`jobId`", opts: (i) => ({ jobId: `order-${i}` }), work: (job) => job.id },
  { name: "`jobId` with colons", opts: (i) => ({ jobId: `a:b:${i}` }), work: (job) => job.id },
  { name: "`removeOnComplete: true`", opts: { removeOnComplete: true }, work: () => "gone" },
  { name: "`removeOnFail: true`", opts: { removeOnFail: true, attempts: 2 }, waits: "none", work: () => fail() },
  { name: "`deduplication`", opts: (i) => ({ deduplication: { id: `d${i % 10}` } }), work: () => "once" },
  {
    name: "a flow's parent, and what its child answers",
    jobs: 60,
    add: async ({ queue, flows }, name) => {
      const children = [{ name: `${name} child`, queueName: queue.name, data: {} }];
      return String((await flows.add({ name, queueName: queue.name, data: {}, children })).job.id);
    },
    work: async (job) => Object.values(await job.getChildrenValues()),
  },
  {
    name: "a flow's parent whose child fails (`failParentOnFailure`)",
    jobs: 60,
    add: async ({ queue, flows }, name) => {
      const opts = { failParentOnFailure: true };
      const children = [{ name: `${name} bad child`, queueName: queue.name, data: {}, opts }];
      return String((await flows.add({ name, queueName: queue.name, data: {}, children })).job.id);
    },
    work: () => "never",
  },
];

export const kinds: readonly Kind[] = [...retries, ...thrown, ...answers, ...options];
