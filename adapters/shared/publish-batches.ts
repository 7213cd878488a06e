/** publish() for engines that take batches: what one tick publishes goes together, each call gets its answer. */
import { createTickBatches } from "../../src/base/tick-batches.ts";
import type { Published } from "../../src/contract/index.ts";

/** One publish() call: its jobs may travel in several batches, among those of other calls. */
interface Call {
  readonly published: (Published | undefined)[];
  left: number;
  error?: unknown;
  readonly settle: (call: Call) => void;
}

/** One job on its way. */
export interface PublishEntry<Job> {
  readonly job: Job;
  readonly call: Call;
  readonly index: number;
}

export interface PublishBatches<Job> {
  /** Most jobs of one batch. */
  readonly size: number;
  /** Each of them must come to `accept` or to `refuse`. Must not throw. */
  send(batch: readonly PublishEntry<Job>[]): void;
  /** What a call rejects with when of its `count` jobs only those with these ids were accepted, and one failed. */
  explain(error: unknown, accepted: readonly string[], count: number): Error;
}

/** Makes the function that publishes one call's jobs. */
export function createPublishBatches<Job>({ size, send, explain }: PublishBatches<Job>) {
  const add = createTickBatches<PublishEntry<Job>>({ size, send });
  return (jobs: readonly Job[]): Promise<readonly Published[]> =>
    new Promise((resolve, reject) => {
      if (jobs.length === 0) return resolve([]);
      const settle = ({ error, published }: Call) =>
        error === undefined
          ? resolve(published as Published[])
          : reject(explain(error, idsOf(published), published.length));
      const call: Call = { published: new Array(jobs.length).fill(undefined), left: jobs.length, settle };
      for (const [index, job] of jobs.entries()) add({ job, call, index });
    });
}

const idsOf = (published: Call["published"]) => published.flatMap((each) => (each ? [each.id] : []));

/** The engine has it. */
export function accept({ call, index }: PublishEntry<unknown>, published: Published): void {
  call.published[index] = published;
  countDown(call);
}

/** The first error of a call is the one that it tells. */
export function refuse({ call }: PublishEntry<unknown>, error: unknown): void {
  call.error ??= error;
  countDown(call);
}

function countDown(call: Call): void {
  if (--call.left === 0) call.settle(call);
}
