/** consumeAll(): every task of a process under one roof, with its health. */

import { describe, FunboostError } from "../base/errors.ts";
import { callQueue } from "../queue/call-queue.ts";
import { allDefinitions, sameBroker } from "../setup/definition.ts";
import type { Definition } from "../setup/model.ts";
import { consume, type TaskConsumer } from "./consume.ts";
import type { ConsumerStatus } from "./consumers.ts";

export interface AllConsuming {
  /** Unhealthy: messages wait, and nothing was fetched for 30 s although it could have been. */
  health(): Promise<{
    readonly healthy: boolean;
    readonly queues: readonly (ConsumerStatus & { readonly healthy: boolean })[];
  }>;
  close(): Promise<void>;
}

const stuckMs = 30_000;

/**
 * Consumes the given tasks, or all that are defined.
 *
 * @example
 * const worker = await consumeAll();
 * http.createServer(async (_, res) => res.writeHead((await worker.health()).healthy ? 200 : 503).end()).listen(8080);
 */
export async function consumeAll(
  tasks?: readonly object[],
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<AllConsuming> {
  signal?.throwIfAborted();
  const definitions = tasks ? tasks.map(definitionOf) : allDefinitions().filter((each) => each.fn);
  if (definitions.length === 0)
    throw new FunboostError("BAD_OPTION", "consumeAll() found no task. Import the modules that define them first.");
  const outcomes = await Promise.allSettled(definitions.map((each) => consume(each, {}, signal)));
  const consumers = outcomes.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const close = async () => void (await Promise.all(consumers.map((each) => each.close())));
  const failed = outcomes.find((each) => each.status === "rejected");
  if (failed) {
    await close();
    throw failed.reason;
  }
  signal?.addEventListener("abort", () => void close().catch(() => {}), { once: true });
  if (signal?.aborted) {
    await close();
    signal.throwIfAborted();
  }
  const health = async () => {
    const each = definitions.filter((one, i) => definitions.findIndex((other) => sameQueue(one, other)) === i);
    const queues = await Promise.all(
      each.map((one) => healthOf(consumers[definitions.indexOf(one)] as TaskConsumer, one)),
    );
    return { healthy: queues.every((each) => each.healthy), queues };
  };
  return { health, close };
}

/** Tasks of one queue have one consumer. */
function sameQueue(a: Definition, b: Definition): boolean {
  return a.params.queue === b.params.queue && sameBroker(a, b);
}

function isIdle({ paused, running, sinceFetchMs = Number.POSITIVE_INFINITY }: ConsumerStatus): boolean {
  return !paused && running === 0 && sinceFetchMs > stuckMs;
}

async function healthOf(
  consumer: TaskConsumer,
  definition: Definition,
): Promise<ConsumerStatus & { healthy: boolean }> {
  const status = consumer.status();
  if (!isIdle(status) || !((await callQueue(definition, "count")).ready > 0)) return { ...status, healthy: true };
  return { ...status, healthy: !isIdle(consumer.status()) }; // asked again: something may have come while we counted
}

function definitionOf(task: object): Definition {
  const found = allDefinitions().find((each) => each.task === task);
  if (!found)
    throw new FunboostError(
      "BAD_OPTION",
      `consumeAll() takes tasks made by boost(), got ${describe(task)}; or the task was defined again on its queue.`,
    );
  return found;
}
