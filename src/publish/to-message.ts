/** From arguments and options to a message; and whether the opened queue can carry it. */
import { clock } from "../base/clock.ts";
import { describe, FunboostError, needsStore } from "../base/errors.ts";
import type { Message } from "../contract/broker.ts";
import { type PublishOptions, resolvePublish } from "../options/publish.ts";
import type { Definition, OpenQueue } from "../setup/model.ts";
import { currentRun } from "../task/context.ts";
import { traceHeaders } from "../task/trace.ts";
import { encodeBody } from "../wire/call.ts";
import { stampExtra } from "../wire/stamp.ts";

export interface PublishItem<Args extends readonly unknown[] = readonly unknown[]> extends PublishOptions {
  readonly args: Args;
}

export function toMessage(
  { signature, params }: Definition,
  args: readonly unknown[],
  options: PublishOptions | undefined,
  nowMs = clock.now(),
): Message {
  const { id, delayMs, priority, limits: own } = resolvePublish(options, nowMs);
  const trace = traceHeaders();
  const limits = trace ? { ...own, headers: { ...trace, ...own?.headers } } : own;
  const message: { -readonly [K in keyof Message]: Message[K] } = {
    body: encodeBody(signature, args, limits, params.queue),
  };
  if (id !== undefined) message.id = id;
  if (delayMs !== undefined) message.delayMs = delayMs;
  // A child goes before all that waits, or the parents that wait for their children would fill every slot.
  if (currentRun() && (priority ?? 0) >= 0) message.ahead = true;
  else if (priority !== undefined) {
    message.priority = priority;
    // Engines do not tell it again, and a dead letter comes back with it.
    message.body = stampExtra(message.body, { priority });
  }
  return message;
}

/** One of a list. */
export function itemToMessage(definition: Definition, item: PublishItem, index: number): Message {
  const { args, ...options } = item ?? {};
  if (!Array.isArray(args)) {
    const text = `item ${index} of the list needs "args": a list of arguments; got ${describe(args)}.`;
    throw new FunboostError("BAD_ARGS", text, { where: definition.params.queue });
  }
  return toMessage(definition, args, Object.keys(options).length > 0 ? options : undefined);
}

export function rawToMessage({ params }: Definition, body: unknown): Message {
  if (body === undefined || typeof body === "function" || typeof body === "symbol") {
    const text = `publishRaw() takes text or a JSON value, got ${describe(body)}.`;
    throw new FunboostError("BAD_ARGS", text, { where: params.queue });
  }
  const raw = body instanceof Uint8Array ? Buffer.from(body).toString("utf8") : body;
  return { body: raw as Message["body"], ...(currentRun() ? { ahead: true } : {}) };
}

/** Whether anything runs here: a publisher does not know all options of the task. */
type PublishingQueue = OpenQueue & { readonly definition: Pick<Definition, "fn"> };

/** What only the opened queue can tell: which features it has. */
export function checkMessage(
  { queue, store, brokerName, definition, options: own }: PublishingQueue,
  message: Message,
  options: PublishOptions | undefined,
): void {
  if (options?.filterKey !== undefined && !own.filter && definition.fn) {
    const advice = 'Set "filter: true" on the task, or leave the key out.';
    const text = `"filterKey" is given, and the task has no filter that would look at it. ${advice}`;
    throw new FunboostError("BAD_OPTION", text, { where: own.queue });
  }
  if (message.delayMs !== undefined && !queue.features.delay)
    throw needsStore(brokerName, options?.eta === undefined ? "delay" : "eta");
  if (options?.rpc && !store && !queue.result) throw needsStore(brokerName, "rpc");
}
