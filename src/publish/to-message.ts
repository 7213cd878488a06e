/**
 * From arguments and options to a message, read here and now: what their caller does to them later changes nothing.
 * And whether the opened queue can carry it.
 */
import { clock } from "../base/clock.ts";
import { describe, FunboostError, needsStore, toError } from "../base/errors.ts";
import { asBody, JsonText } from "../base/json.ts";
import type { JsonObject, Message } from "../contract/broker.ts";
import { type PublishOptions, resolvePublish } from "../options/publish.ts";
import type { Definition, OpenQueue } from "../setup/model.ts";
import { currentRun } from "../task/context.ts";
import { traceHeaders } from "../task/trace.ts";
import { encodeBody, encodeText } from "../wire/call.ts";
import type { MessageLimits } from "../wire/limits.ts";
import { stampExtra, stampRaw } from "../wire/stamp.ts";
import { retriesOf } from "./retries.ts";

export interface PublishItem<Args extends readonly unknown[] = readonly unknown[]> extends PublishOptions {
  readonly args: Args;
}

export function toMessage(
  definition: Definition,
  args: readonly unknown[],
  options: PublishOptions | undefined,
  nowMs = clock.now(),
): Message {
  const { id, delayMs, priority, limits: own } = resolvePublish(options, nowMs);
  const { job } = definition.params;
  const inBody = job !== undefined && definition.open !== undefined && !definition.open.queue.keepsJob;
  const limits = withTrace(inBody ? { ...own, job } : own);
  // A child goes before all that waits, or the parents that wait for their children would fill every slot. What is to
  // start later waits for its time, in its engine.
  const ahead = currentRun() !== undefined && (priority ?? 0) >= 0 && delayMs === undefined;
  const rank = ahead ? undefined : priority;
  const message: { -readonly [K in keyof Message]: Message[K] } = { body: bodyOf(definition, args, limits, rank) };
  if (id !== undefined) message.id = id;
  if (delayMs !== undefined) message.delayMs = delayMs;
  if (ahead) message.ahead = true;
  if (rank !== undefined) message.priority = rank;
  if (job !== undefined && !inBody) message.job = job; // until its queue is open nobody knows where it goes
  return message;
}

function withTrace(limits: MessageLimits | undefined): MessageLimits | undefined {
  const trace = traceHeaders();
  return trace ? { ...limits, headers: { ...trace, ...limits?.headers } } : limits;
}

/**
 * The message with its task's name where this queue has it: in the body, or beside it. Beside it others see it too, and
 * may take it.
 */
export function named(
  task: OpenQueue,
  message: Message,
  {
    isRaw = false,
    maxRetries = task.options.maxRetries,
  }: { readonly isRaw?: boolean; readonly maxRetries?: number } = {},
): Message {
  const { queue, options } = task;
  const { job, ...rest } = message;
  if (queue.keepsJob)
    return job === undefined && !options.adopt ? message : { ...message, retries: retriesOf(task, maxRetries) };
  if (job === undefined) return message;
  return { ...rest, body: asBody(isRaw ? stampRaw(message.body, job) : stampExtra(message.body, { job })) };
}

/** Before the first use nobody knows what the engine holds: text suits all. */
function bodyOf(
  { signature, params, open }: Definition,
  args: readonly unknown[],
  limits: MessageLimits | undefined,
  priority: number | undefined,
): JsonObject | JsonText {
  const asValue = open?.queue.keepsValues === true;
  if (!asValue && priority === undefined) return new JsonText(encodeText(signature, args, limits, params.queue));
  const plain = encodeBody(signature, args, limits, params.queue);
  // Engines do not tell it again, and a dead letter comes back with it.
  const body = priority === undefined ? plain : stampExtra(plain, { priority });
  return asValue ? body : new JsonText(JSON.stringify(body));
}

/** A message, and the options that it was made with. */
export interface Outgoing {
  readonly message: Message;
  readonly options: PublishOptions | undefined;
}

/** One of a list. */
export function itemToMessage(definition: Definition, item: PublishItem, index: number): Outgoing {
  const { args, ...rest } = item ?? {};
  if (!Array.isArray(args)) {
    const text = `item ${index} of the list needs "args": a list of arguments; got ${describe(args)}.`;
    throw new FunboostError("BAD_ARGS", text, { where: definition.params.queue });
  }
  const options = Object.keys(rest).length > 0 ? rest : undefined;
  return { message: toMessage(definition, args, options), options };
}

export function rawToMessage({ params }: Definition, body: unknown): Message {
  if (body === undefined || typeof body === "function" || typeof body === "symbol") {
    const text = `publishRaw() takes text or a JSON value, got ${describe(body)}.`;
    throw new FunboostError("BAD_ARGS", text, { where: params.queue });
  }
  const { queue, job } = params;
  return {
    body: rawBody(body, queue),
    ...(currentRun() ? { ahead: true } : {}),
    ...(job === undefined ? {} : { job }),
  };
}

function rawBody(body: unknown, queue: string): Message["body"] {
  if (typeof body === "string") return body;
  if (body instanceof Uint8Array) return Buffer.from(body).toString("utf8");
  try {
    return asBody(body);
  } catch (cause) {
    throw new FunboostError("BAD_ARGS", `publishRaw() takes text or a JSON value: ${toError(cause).message}`, {
      cause,
      where: queue,
    });
  }
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
