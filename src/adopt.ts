/** adopt(params, handlers): what other code puts into a queue, by the names of its jobs, under one worker. */

import type { Duration } from "./base/duration.ts";
import { describe, FunboostError } from "./base/errors.ts";
import type { TaskMembers } from "./boost.ts";
import { type ConsumeOptions, consume, type TaskConsumer } from "./consume/consume.ts";
import type { BrokerChoice } from "./contract/brokers.ts";
import { isRecord, refuseOption } from "./options/checks.ts";
import type { TaskParams } from "./options/task.ts";
import { checkAdoption, checkParams } from "./options/task-checks.ts";
import type { AnyArgs } from "./options/task-types.ts";
import { allDefinitions, define, register, sameBroker, titleOf } from "./setup/definition.ts";
import type { Definition, UnknownJobs } from "./setup/model.ts";
import { fct } from "./task/context.ts";
import type { JobFacts } from "./task/job-facts.ts";
import { type AnyFunction, wholeData } from "./wire/signature.ts";

/** What its tasks share, and options for the plain functions among them. */
export interface AdoptParams<B extends BrokerChoice = BrokerChoice>
  extends Omit<TaskParams<AnyArgs, B>, "job" | "adopt" | "params" | "convert" | "input" | "concurrency"> {
  /** Runs at once in this process: that of the worker which it takes over from. Required. */
  concurrency: number;
  /**
   * What becomes of a job that no handler takes: "fail" fails it, "complete" ends it as done, "leave" puts it back
   * behind what waits, for 1 s and twice as long each time, a minute at most, for other workers.
   * @default "fail"
   */
  unknown?: UnknownJobs;
}

/** The data as it is, and the facts of its job. */
// biome-ignore lint/suspicious/noExplicitAny: other code's data, of whatever type the function says
export type AdoptFunction = (data: any, job: JobFacts) => unknown;

/** A function of data and job, or a task on this queue whose `job` is the name. */
export type AdoptHandler = AdoptFunction | Pick<TaskMembers<readonly never[], unknown>, "queue" | "job" | "params">;

/** A queue that is adopted. */
export interface Adopted {
  readonly queue: string;
  /** Starts consuming in this process: one worker for all names. Resolves when ready. */
  consume(options?: ConsumeOptions): Promise<TaskConsumer>;
  /** Ends that: lets runs finish within `grace` (default 30 s). */
  close(options?: { readonly grace?: Duration }): Promise<void>;
}

const policies: readonly unknown[] = ["fail", "complete", "leave"] satisfies UnknownJobs[];

/**
 * Takes over a queue of jobs that other code publishes under several names: each goes to the handler of its name, "*"
 * takes the rest. Jobs keep their own attempts, backoff and retention where their engine has such.
 *
 * @example
 * const jobs = adopt({ queue: "documents", broker: "bullmq", concurrency: 10 }, {
 *   "send.mail": async (mail: { to: string }) => console.log(mail.to),
 *   "*": async (data, job) => console.log(job.name, data, job.isLastAttempt),
 * });
 * await jobs.consume();
 * @throws BAD_OPTION without `concurrency`, without a handler, and for a task of another queue or name.
 */
export function adopt<B extends BrokerChoice = BrokerChoice>(
  params: AdoptParams<B>,
  handlers: Readonly<Record<string, AdoptHandler>>,
): Adopted {
  checkAdopt(params, handlers);
  const { unknown = "*" in handlers ? undefined : "fail", ...shared } = params;
  const definitions = Object.entries(handlers).map(([name, handler]) => {
    const definition = defineHandler({ ...(shared as TaskParams), adopt: true }, name, handler);
    definition.unknown = unknown;
    return definition;
  });
  return { queue: params.queue, ...consumingOf(definitions) };
}

function consumingOf(definitions: readonly Definition[]): Omit<Adopted, "queue"> {
  const begun = new Map<Promise<TaskConsumer>, AbortController>();
  return {
    consume(options) {
      const stop = new AbortController();
      const consumer = consumeAll(definitions, options, stop.signal);
      begun.set(consumer, stop);
      consumer.catch(() => begun.delete(consumer));
      return consumer;
    },
    async close(options) {
      const all = [...begun];
      begun.clear();
      for (const [, stop] of all) stop.abort(); // what still connects
      await Promise.all(all.map(async ([each]) => (await each.catch(() => undefined))?.close(options)));
    },
  };
}

function checkAdopt(params: unknown, handlers: unknown): asserts params is AdoptParams {
  if (!isRecord(params)) checkParams(params); // says what it must be
  const { unknown, ...shared } = params as unknown as AdoptParams;
  checkParams(shared);
  checkAdoption({ ...shared, adopt: true }, "adopt()");
  const where = { where: shared.queue };
  const others = ["job", "adopt", "params", "convert", "input"].filter((name) => name in shared);
  if (others.length > 0)
    throw new FunboostError("BAD_OPTION", `adopt() takes no "${others[0]}": a task has it, given as a handler.`, where);
  if (!isRecord(handlers) || Object.keys(handlers).length === 0) {
    const needed = 'Needed: handlers by name, such as { "send.mail": sendMail, "*": (data, job) => {} }.';
    throw new FunboostError("BAD_OPTION", `adopt() got ${describe(handlers)} as its handlers. ${needed}`, where);
  }
  if (unknown === undefined) return;
  if (!policies.includes(unknown)) refuseOption("unknown", unknown, '"fail", "complete" or "leave"');
  if ("*" in handlers)
    throw new FunboostError(
      "BAD_OPTION",
      `"unknown" is ${describe(unknown)}, and "*" takes every name: leave one out.`,
      where,
    );
}

function defineHandler(shared: TaskParams, name: string, handler: AdoptHandler): Definition {
  const given = allDefinitions().find((each) => each.task === handler);
  if (given) return adoptTask(given, shared, name);
  if (typeof handler !== "function")
    throw new FunboostError(
      "BAD_OPTION",
      `the handler of "${name}" is ${describe(handler)}. Allowed: a function or a task.`,
      {
        where: shared.queue,
      },
    );
  if (name !== "*") checkParams({ ...shared, job: name });
  const run: AnyFunction = (data: unknown) => handler(data, fct.job as JobFacts);
  Object.defineProperty(run, "name", { value: handler.name });
  const definition = define({ ...shared, job: name }, run, wholeData);
  register(definition);
  return definition;
}

/** With the queue's options where it says none itself. */
function adoptTask(definition: Definition, shared: TaskParams, name: string): Definition {
  const { params } = definition;
  if (params.queue !== shared.queue || params.job !== name || !sameBroker(definition, { params: shared }))
    throw new FunboostError(
      "BAD_OPTION",
      `the task given as "${name}" is that of ${titleOf(params)}. Define it on queue "${shared.queue}" ` +
        `with job: "${name}", or give a plain function.`,
      { where: shared.queue },
    );
  const { brokerOptions, concurrency, pool, prefetch, qps, qpsScope, maxSuspended } = shared;
  const ofQueue = { brokerOptions, concurrency, pool, prefetch, qps, qpsScope, maxSuspended };
  const given = Object.fromEntries(Object.entries(ofQueue).filter(([, value]) => value !== undefined));
  definition.params = { ...given, ...params, adopt: true };
  definition.open = undefined; // what was opened before was opened without these
  definition.opening = undefined;
  return definition;
}

async function consumeAll(
  definitions: readonly Definition[],
  options: ConsumeOptions | undefined,
  signal: AbortSignal,
): Promise<TaskConsumer> {
  const outcomes = await Promise.allSettled(definitions.map((each) => consume(each, options, signal)));
  const consumers = outcomes.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const close: TaskConsumer["close"] = async (how) =>
    void (await Promise.all(consumers.map((each) => each.close(how))));
  const failed = outcomes.find((each) => each.status === "rejected");
  if (!failed) return { ...(consumers[0] as TaskConsumer), close };
  await close();
  throw failed.reason;
}
