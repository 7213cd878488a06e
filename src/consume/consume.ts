/** consume(): a task's consuming in this process, from the first attempt to connect to its end. */

import { sleep, within } from "../base/clock.ts";
import { type Duration, durationMs } from "../base/duration.ts";
import { FunboostError, isFunboostError } from "../base/errors.ts";
import { checkMembers } from "../options/checks.ts";
import { checkConcurrency } from "../options/task-checks.ts";
import { configuration } from "../setup/configure.ts";
import { sameBroker } from "../setup/definition.ts";
import type { Definition } from "../setup/model.ts";
import { openTask } from "../setup/open.ts";
import { type RunningConsumer, startConsumer } from "./consumer.ts";
import type { ConsumerStatus, Consuming } from "./consumers.ts";
import { consumers } from "./consumers.ts";
import { installSignalHandlers } from "./shutdown.ts";
import type { Stopping } from "./stop.ts";
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
const alone: Stopping["others"] = { running: () => 0, suspended: () => 0 };

export async function consume(
  definition: Definition,
  options: ConsumeOptions = {},
  signal?: AbortSignal,
): Promise<TaskConsumer> {
  checkMembers({ ...options }, { concurrency: checkConcurrency });
  const { concurrency } = options;
  const older = checkOthers(definition);
  const stop = new AbortController();
  const entry = makeEntry(definition, stop);
  consumers().add(entry); // before the first await, so that two calls at once are seen
  entry.opening = connect(
    entry,
    older,
    concurrency,
    signal ? AbortSignal.any([signal, stop.signal]) : stop.signal,
  ).finally(() => entry.consumer ?? entry.forget());
  return entry.opening;
}

interface Entry extends Consuming {
  consumer: RunningConsumer | undefined;
  opening: Promise<TaskConsumer> | undefined;
  forget(): void;
}

function makeEntry(definition: Definition, stop: AbortController): Entry {
  const keepAlive = setInterval(() => {}, 2 ** 30); // sockets are unref'd: a consuming process stays
  const entry: Entry = {
    definition,
    consumer: undefined,
    opening: undefined,
    running: () => entry.consumer?.running() ?? 0,
    suspended: () => entry.consumer?.suspended() ?? 0,
    async stop(stopping) {
      stop.abort();
      const opened = entry.opening?.catch(() => {}) ?? Promise.resolve();
      await within(opened, stopping.graceMs);
      await entry.consumer?.stop(stopping).finally(entry.forget);
    },
    forget() {
      clearInterval(keepAlive);
      consumers().delete(entry);
    },
  };
  return entry;
}

async function connect(
  entry: Entry,
  older: Consuming | undefined,
  concurrency: number | undefined,
  signal: AbortSignal,
): Promise<TaskConsumer> {
  await older?.stop({ graceMs: defaultGraceMs, others: alone });
  const consumer = await insistOnStarting(entry.definition, concurrency, signal);
  entry.consumer = consumer;
  if (signal.aborted) {
    await consumer.stop({ graceMs: 0, others: alone }).finally(entry.forget);
    throw stopped(entry.definition);
  }
  if (configuration().signals !== false) installSignalHandlers();
  const { pause, resume, setConcurrency, status } = consumer;
  const close: TaskConsumer["close"] = async ({ grace = defaultGraceMs } = {}) =>
    entry.stop({ graceMs: durationMs(grace, "grace"), others: alone });
  return { pause, resume, setConcurrency, status, close };
}

/** Two functions that consume one queue are a mistake; the same function defined again (hot reload) replaces the older. */
function checkOthers(definition: Definition): Consuming | undefined {
  const { queue } = definition.params;
  const other = [...consumers()].find(
    (each) => each.definition.params.queue === queue && sameBroker(each.definition, definition),
  );
  if (!other) return undefined;
  const { fn } = other.definition;
  if (other.definition !== definition && fn?.name && fn.name === definition.fn?.name) {
    consumers().delete(other);
    return other;
  }
  const who = other.definition === definition ? "this task" : `another function, ${fn?.name || "(anonymous)"}`;
  throw new FunboostError(
    "TWO_CONSUMERS",
    `Queue "${queue}" is consumed already, by ${who}. Close that consumer first, or give each function its own queue.`,
  );
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
      const consumer = await startConsumer(task, concurrency ?? task.options.concurrency);
      trouble.over();
      return consumer;
    } catch (error) {
      if (!isFunboostError(error) || error.code !== "BROKER_DOWN") throw error;
      trouble.report(error);
      await sleep(pauseMs, { signal });
    }
  }
  throw stopped(definition);
}

function stopped({ params }: Definition): FunboostError {
  return new FunboostError("SHUT_DOWN", "consuming was stopped before it had begun.", { where: params.queue });
}
