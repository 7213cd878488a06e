/** consume(): a task's consuming in this process, from the first attempt to connect to its end. */

import { sleep } from "../base/clock.ts";
import { type Duration, durationMs } from "../base/duration.ts";
import { FunboostError, isFunboostError } from "../base/errors.ts";
import { checkMembers } from "../options/checks.ts";
import type { Options } from "../options/task.ts";
import { checkConcurrency } from "../options/task-checks.ts";
import { configuration } from "../setup/configure.ts";
import { tasksBeside } from "../setup/definition.ts";
import type { Definition, OpenTask } from "../setup/model.ts";
import { openTask } from "../setup/open.ts";
import { checkAlike } from "../setup/queue-options.ts";
import { type RunningConsumer, startConsumer } from "./consumer.ts";
import { type ConsumerStatus, consumers, type KnownConsumer, type StopOptions } from "./consumers.ts";
import { createRegistration, joinedBy, type Registration, replacedBy } from "./registration.ts";
import { installSignalHandlers } from "./shutdown.ts";
import { createTrouble } from "./trouble.ts";

export interface ConsumeOptions {
  /** Runs at once in this process; the task's own value when absent. */
  readonly concurrency?: number;
}

/** One process's consuming of one task. `pause` and `resume` act on this process; the task's own act on the queue. */
export interface TaskConsumer {
  pause(): void;
  resume(): void;
  setConcurrency(n: number): void;
  status(): ConsumerStatus;
  /** Stops fetching, lets runs finish within `grace` (default 30 s), and flushes. */
  close(options?: { readonly grace?: Duration }): Promise<void>;
}

const defaultGraceMs = 30_000;
const alone: StopOptions["others"] = { running: () => 0, suspended: () => 0 };

export async function consume(
  definition: Definition,
  options: ConsumeOptions = {},
  signal?: AbortSignal,
): Promise<TaskConsumer> {
  checkMembers({ ...options }, { concurrency: checkConcurrency });
  const { concurrency } = options;
  const beside = joinedBy(definition);
  if (beside) return join(beside, definition, concurrency);
  const older = replacedBy(definition);
  const stop = new AbortController();
  const registration = createRegistration(definition, stop, concurrency);
  consumers().add(registration); // before the first await, so that two calls at once are seen
  const stopSignal = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const opening = connect(registration, older, concurrency, stopSignal).finally(
    () => registration.consumer ?? registration.forget(),
  );
  registration.opening = opening;
  return opening;
}

/** Its queue is consumed already, for other tasks: one worker serves them all. */
async function join(
  registration: Registration,
  definition: Definition,
  concurrency: number | undefined,
): Promise<TaskConsumer> {
  registration.consumed.add(definition);
  try {
    const [consumer, task] = await Promise.all([registration.opening, openTask(definition)]);
    checkJoins(registration, task.options, concurrency);
    registration.consumer?.add(task);
    for (const each of registration.consumed)
      if (each !== definition && each.params.job === definition.params.job) registration.consumed.delete(each);
    return { ...(consumer as TaskConsumer), close: closeOf(registration, definition) };
  } catch (error) {
    registration.consumed.delete(definition);
    throw error;
  }
}

function checkJoins({ definition, concurrency }: Registration, joining: Options, asked: number | undefined): void {
  const options = definition.open?.options;
  if (!options) return; // it has been shut down
  checkAlike([options, joining]);
  const inForce = { ...options, concurrency: concurrency ?? options.concurrency };
  checkAlike([inForce, { ...joining, concurrency: asked ?? inForce.concurrency }]);
}

/** The last of its tasks ends the consumer of a queue. */
function closeOf(registration: Registration, definition: Definition): TaskConsumer["close"] {
  return async ({ grace = defaultGraceMs } = {}) => {
    const graceMs = durationMs(grace, "grace");
    registration.consumed.delete(definition);
    if (registration.consumed.size === 0) await registration.stop({ graceMs, others: alone });
  };
}

async function connect(
  registration: Registration,
  older: KnownConsumer | undefined,
  concurrency: number | undefined,
  signal: AbortSignal,
): Promise<TaskConsumer> {
  await older?.stop({ graceMs: defaultGraceMs, others: alone });
  const consumer = await insistOnStarting(registration.definition, concurrency, signal);
  registration.consumer = consumer;
  if (signal.aborted) {
    await consumer.stop({ graceMs: 0, others: alone }).finally(registration.forget);
    throw stoppedError(registration.definition);
  }
  if (configuration().signals !== false) installSignalHandlers();
  const { pause, resume, setConcurrency, status } = consumer;
  return { pause, resume, setConcurrency, status, close: closeOf(registration, registration.definition) };
}

/** A server that is down now may be up soon: say so once, and keep trying. What will never work rejects. */
async function insistOnStarting(
  definition: Definition,
  concurrency: number | undefined,
  signal: AbortSignal,
): Promise<RunningConsumer> {
  const trouble = createTrouble(definition);
  for (let pauseMs = 200; !signal.aborted; pauseMs = Math.min(pauseMs * 2, 5_000)) {
    try {
      const tasks = await openBeside(definition);
      const consumer = await startConsumer({ tasks, concurrency: concurrency ?? tasks[0].options.concurrency });
      trouble.over();
      return consumer;
    } catch (error) {
      if (!isFunboostError(error) || error.code !== "BROKER_DOWN") throw error;
      trouble.report(error);
      await sleep(pauseMs, { signal });
    }
  }
  throw stoppedError(definition);
}

/** With all that are defined on its queue: what is fetched there may be any of theirs. */
async function openBeside(definition: Definition): Promise<readonly [OpenTask, ...OpenTask[]]> {
  const { job } = definition.params;
  const others = tasksBeside(definition).filter((each) => each.params.job !== job);
  const [first, ...rest] = await Promise.all([openTask(definition), ...others.map(openTask)]);
  checkAlike([first, ...rest].map(({ options }) => options));
  return [first, ...rest];
}

function stoppedError({ params }: Definition): FunboostError {
  return new FunboostError("SHUT_DOWN", "consuming was stopped before it had begun.", { where: params.queue });
}
