/** consume(): a task's consuming in this process, from the first attempt to connect to its end. */

import { sleep } from "../base/clock.ts";
import { type Duration, durationMs } from "../base/duration.ts";
import { FunboostError, isFunboostError } from "../base/errors.ts";
import { checkMembers } from "../options/checks.ts";
import { checkConcurrency } from "../options/task-checks.ts";
import { configuration } from "../setup/configure.ts";
import type { Definition } from "../setup/model.ts";
import { openTask } from "../setup/open.ts";
import { type RunningConsumer, startConsumer } from "./consumer.ts";
import { type ConsumerStatus, consumers, type KnownConsumer, type StopOptions } from "./consumers.ts";
import { createRegistration, type Registration, replacedBy } from "./registration.ts";
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
  const older = replacedBy(definition);
  const stop = new AbortController();
  const registration = createRegistration(definition, stop);
  consumers().add(registration); // before the first await, so that two calls at once are seen
  const stopSignal = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const opening = connect(registration, older, concurrency, stopSignal).finally(
    () => registration.consumer ?? registration.forget(),
  );
  registration.opening = opening;
  return opening;
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
  const close: TaskConsumer["close"] = async ({ grace = defaultGraceMs } = {}) => {
    await registration.stop({ graceMs: durationMs(grace, "grace"), others: alone });
  };
  return { pause, resume, setConcurrency, status, close };
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
      const task = await openTask(definition);
      const consumer = await startConsumer({ task, concurrency: concurrency ?? task.options.concurrency });
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

function stoppedError({ params }: Definition): FunboostError {
  return new FunboostError("SHUT_DOWN", "consuming was stopped before it had begun.", { where: params.queue });
}
