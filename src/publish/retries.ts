/** What a message tells workers of others of its retries: they wait alike, or double their waits. */
import type { Retries } from "../contract/broker.ts";
import { type BackoffPlan, planOf } from "../options/backoff.ts";
import type { OpenQueue } from "../setup/model.ts";

const advised = new WeakSet<OpenQueue>();

/** For a function, which no other worker could ask, the default. */
export function retriesOf(task: OpenQueue, max: number): Retries {
  const { backoff, job, adopt } = task.options;
  const isFunction = typeof backoff === "function";
  const plan = isFunction ? planOf(undefined) : backoff;
  const untold = isFunction ? "is a function" : untoldOf(plan, max);
  if (untold && (job !== undefined || adopt) && max > 0) advise(task, untold);
  const { baseMs, jitter } = plan;
  return { max, type: isFlat(plan) ? "fixed" : "exponential", baseMs, jitter };
}

const isFlat = ({ type, factor, baseMs, capMs }: BackoffPlan) => type === "fixed" || factor === 1 || capMs <= baseMs;

/** Of the waits that will come: the others harm nobody. */
function untoldOf(plan: BackoffPlan, max: number): string | undefined {
  const { baseMs, factor, capMs } = plan;
  if (isFlat(plan) || max < 2) return undefined;
  if (factor !== 2) return `has the factor ${factor}`;
  return baseMs * 2 ** (max - 1) > capMs ? `has a cap of ${capMs} ms` : undefined;
}

function advise(task: OpenQueue, untold: string): void {
  if (advised.has(task)) return;
  advised.add(task);
  const text =
    `"backoff" ${untold}, which a job cannot tell to the engine's own workers: on them its waits double without end. ` +
    'Ours keep to it. If there are others beside, give a "fixed" one, or a factor of 2 whose cap no wait exceeds.';
  task.log.warn({ queue: task.options.queue, job: task.options.job }, text);
}
