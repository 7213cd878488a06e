/** A definition made ready, at the first use because imports run before configure() can. */

import { deadline } from "../base/deadline.ts";
import { FunboostError } from "../base/errors.ts";
import { points, tell } from "../base/events.ts";
import { lifetime } from "../base/lifetime.ts";
import { createLogger } from "../base/log.ts";
import { processWide } from "../base/process-wide.ts";
import { composeRun } from "../options/compose.ts";
import { resolveOptions } from "../options/resolve.ts";
import type { Options } from "../options/task.ts";
import { scopeOf } from "../store/scope.ts";
import { configuration, leaseMs } from "./configure.ts";
import { brokerOf, nameOfBroker, tasksBeside } from "./definition.ts";
import { checkFeatures, openQueue, supportOf } from "./features.ts";
import { guardedQueue } from "./guarded-queue.ts";
import type { Definition, OpenTask } from "./model.ts";
import { type OpenBroker, openBroker, openMs } from "./open-broker.ts";
import { checkAlike } from "./queue-options.ts";

/** Definitions that are or become open: shutdown() makes them start anew. */
export const definitionsInUse = processWide("tasks", () => new Set<Definition>());

export function openTask(definition: Definition): Promise<OpenTask> {
  definition.opening ??= openOnce(definition);
  return definition.opening;
}

/** Opens every defined task's queue, so that what is wrong shows at start. */
export async function checkDefinitions(definitions: readonly Definition[]): Promise<void> {
  const outcomes = await Promise.allSettled(definitions.map(openAlike));
  const errors = outcomes.flatMap((outcome, i) =>
    outcome.status === "rejected" ? [{ definition: definitions[i], error: outcome.reason as Error }] : [],
  );
  if (errors.length === 1) throw errors[0]?.error;
  if (errors.length > 1) {
    const lines = errors.map(({ definition, error }) => `- ${definition && titleText(definition)}: ${error.message}`);
    throw new AggregateError(
      errors.map(({ error }) => error),
      `[funboost] ${errors.length} tasks cannot be used:\n${lines.join("\n")}`,
    );
  }
}

/** Refuses it where the other tasks of its queue want that served differently. */
async function openAlike(definition: Definition): Promise<void> {
  const { options } = await openTask(definition);
  const [first] = tasksBeside(definition);
  const other = first && (await openTask(first).catch(() => undefined)); // it says so by itself
  if (other) checkAlike([other.options, options]);
}

function titleText(definition: Definition): string {
  const { queue, job } = definition.params;
  return `${queue}${job === undefined ? "" : `, job ${job}`} (${nameOfBroker(brokerOf(definition))})`;
}

async function openOnce(definition: Definition): Promise<OpenTask> {
  const { generation } = lifetime();
  definitionsInUse().add(definition);
  try {
    const task = await open(definition);
    if (generation !== lifetime().generation) throw shutDownError(definition);
    definition.open = task;
    return task;
  } catch (error) {
    if (generation === lifetime().generation) definition.opening = undefined; // the server may be there next time
    throw error;
  }
}

function shutDownError({ params }: Definition): FunboostError {
  return new FunboostError(
    "SHUT_DOWN",
    `shutdown() was called: queue "${params.queue}" cannot be used until it has ended.`,
  );
}

async function open(definition: Definition): Promise<OpenTask> {
  lifetime().used = true;
  if (lifetime().shuttingDown) throw shutDownError(definition);
  const config = configuration();
  const options = resolveOptions(definition.params, config.defaults ?? {});
  const home = await openBroker(brokerOf(definition));
  const { broker, store } = home;
  const { queue, native } = await openGuarded(home, options.queue, options, options.adopt);
  if (definition.fn) checkFeatures(broker.name, queue, store, options);
  const task: OpenTask = {
    definition,
    options,
    brokerName: broker.name,
    address: broker.address?.(),
    queue,
    native,
    call: definition.fn && composeRun(definition.fn, definition.signature, options),
    store,
    scope: scopeOf(broker, queue, options),
    leaseMs: leaseMs(),
    log: createLogger({ ...config.log, ...options.log }),
    listeners: definition.listeners,
    recorder: undefined,
    outbox: undefined,
    deadLetters: once(async () => (await openGuarded(home, deadLettersOf(options), options)).queue),
  };
  tell(points.opened, () => ({
    broker: broker.name,
    queue: options.queue,
    features: supportOf(native, queue.features, store),
  }));
  return task;
}

/** A queue with all features, whose calls have a deadline. */
async function openGuarded(
  { broker, store }: OpenBroker,
  queue: string,
  { brokerOptions, publishTimeoutMs }: Options,
  adopt = false,
) {
  const spec = { queue, options: brokerOptions, leaseMs: leaseMs(), publishTimeoutMs, ...(adopt ? { adopt } : {}) };
  const opening = openQueue(broker, store, spec);
  const opened = await deadline(opening, openMs, `opening queue "${queue}"`, broker.name, broker.address?.());
  return { queue: guardedQueue(opened.queue, broker.name), native: opened.native };
}

/** The queue of a task's dead letters; errors may send some there that has set none. */
function deadLettersOf({ queue, deadLetter }: Options): string {
  return deadLetter ?? `${queue}_dlx`;
}

/** The same answer for all; after a failure the next caller tries again. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => {
    answer ??= work().catch((error) => {
      answer = undefined;
      throw error;
    });
    return answer;
  };
}
