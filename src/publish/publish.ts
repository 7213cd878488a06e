/** From arguments to messages in a queue. */
import { clock } from "../base/clock.ts";
import { deadline } from "../base/deadline.ts";
import {
  acceptedOf,
  describe,
  FunboostError,
  isFunboostError,
  needsStore,
  PublishError,
  toError,
} from "../base/errors.ts";
import { inSpan, isWatched, points, publishing, tell } from "../base/events.ts";
import type { Message, Published } from "../contract/broker.ts";
import { publishUnseen } from "../filter/on-publish.ts";
import { checkInput, composePublish } from "../options/compose.ts";
import { type PublishOptions, resolvePublish } from "../options/publish.ts";
import { resolveOptions } from "../options/resolve.ts";
import type { Options } from "../options/task.ts";
import { TaskHandle } from "../results/handle.ts";
import { configuration } from "../setup/configure.ts";
import { brokerName, brokerOf } from "../setup/definition.ts";
import type { Definition, OpenTask, Outbox } from "../setup/model.ts";
import { openTask } from "../setup/open.ts";
import { publishUnknown } from "../store/known-ids.ts";
import { currentRun } from "../task/context.ts";
import type { Outcome } from "../task/outcome.ts";
import { traceHeaders } from "../task/trace.ts";
import { encodeBody } from "../wire/call.ts";
import { stampExtra } from "../wire/stamp.ts";
import { createOutbox } from "./outbox.ts";

export interface PublishItem<Args extends readonly unknown[] = readonly unknown[]> extends PublishOptions {
  readonly args: Args;
}

export async function publishOne<R>(
  definition: Definition,
  args: readonly unknown[],
  options: PublishOptions | undefined,
): Promise<TaskHandle<R>> {
  if (hasMiddleware(definition)) return publishThrough(definition, args, options);
  return publishPlain(definition, args, options);
}

function hasMiddleware({ params }: Definition): boolean {
  const defaults = configuration().defaults ?? {};
  return (params.usePublish ?? params.input ?? defaults.usePublish ?? defaults.input) !== undefined;
}

const plain: Pick<Options, "input" | "usePublish"> = { input: undefined, usePublish: [] };

async function checkAll(items: readonly PublishItem[], input: Options["input"], definition: Definition): Promise<void> {
  if (input) await Promise.all(items.map(({ args }) => checkInput(input, args, optionsOf(definition)))); // all of them, before any is sent
}

/** Also before the first use has resolved them. */
function optionsOf({ open, params }: Definition): Options {
  return open?.options ?? resolveOptions(params, configuration().defaults ?? {});
}

/** Through the task's own middleware and the schema of its arguments. */
async function publishThrough<R>(
  definition: Definition,
  args: readonly unknown[],
  options: PublishOptions = {},
): Promise<TaskHandle<R>> {
  const resolved = optionsOf(definition);
  const { usePublish, input } = resolved;
  const publish = composePublish(usePublish, async (outgoing) => {
    if (input) await checkInput(input, outgoing.args, resolved);
    return publishPlain(
      definition,
      outgoing.args,
      Object.keys(outgoing.options).length > 0 ? outgoing.options : undefined,
    );
  });
  return (await publish({ args, options })) as TaskHandle<R>;
}

async function publishPlain<R>(
  definition: Definition,
  args: readonly unknown[],
  options: PublishOptions | undefined,
): Promise<TaskHandle<R>> {
  const message = toMessage(definition, args, options);
  const task = definition.open ?? (await connected(definition));
  checkMessage(task, message, options);
  // An id may be refused or known: such a message goes by itself.
  const published =
    message.id === undefined ? await outboxOf(task)(message) : ((await send(task, [message]))[0] as Published);
  return new TaskHandle<R>(definition, published, options?.rpc);
}

/** Each by itself: some may be refused, or fail, when others have been sent. */
async function eachThrough<R>(definition: Definition, items: readonly PublishItem[]): Promise<TaskHandle<R>[]> {
  const outcomes = await Promise.allSettled(
    items.map(({ args, ...options }) => publishThrough<R>(definition, args, options)),
  );
  const handles = outcomes.flatMap((each) => (each.status === "fulfilled" ? each.value : []));
  const failures = outcomes.flatMap((each) => (each.status === "rejected" ? [toError(each.reason)] : []));
  const [first] = failures;
  if (!first) return handles;
  if (handles.length === 0) throw first;
  const ids = handles.map(({ id }) => id);
  throw publishError(first, await openTask(definition), ids, failures.length, true);
}

function outboxOf(task: OpenTask): Outbox {
  task.outbox ??= createOutbox((messages) => send(task, messages));
  return task.outbox;
}

export async function publishAll<R>(definition: Definition, items: readonly PublishItem[]): Promise<TaskHandle<R>[]> {
  if (!Array.isArray(items))
    throw new FunboostError("BAD_ARGS", `takes a list, got ${describe(items)}.`, { where: definition.params.queue });
  const messages = items.map((item, i) => listed(definition, item, i));
  const { input, usePublish } = hasMiddleware(definition) ? optionsOf(definition) : plain;
  if (usePublish.length > 0) {
    return eachThrough(definition, items);
  }
  await checkAll(items, input, definition);
  const task = definition.open ?? (await connected(definition));
  messages.forEach((message, i) => {
    checkMessage(task, message, items[i]);
  });
  const handles: TaskHandle<R>[] = [];
  for (let from = 0; from < messages.length; from += chunk) {
    const published = await send(task, messages.slice(from, from + chunk), handles);
    published.forEach((each, i) => {
      handles.push(new TaskHandle<R>(definition, each, items[from + i]?.rpc));
    });
  }
  return handles;
}

/** Large enough for the engines' best rate, small enough that a refused publish says closely what was accepted. */
const chunk = 1_000;

function listed(definition: Definition, item: PublishItem, index: number): Message {
  const { args, ...options } = item ?? {};
  if (!Array.isArray(args)) {
    throw new FunboostError(
      "BAD_ARGS",
      `item ${index} of the list needs "args": a list of arguments; got ${describe(args)}.`,
      {
        where: definition.params.queue,
      },
    );
  }
  return toMessage(definition, args, Object.keys(options).length > 0 ? options : undefined);
}

export async function publishRaw<R>(definition: Definition, body: unknown): Promise<TaskHandle<R>> {
  if (body === undefined || typeof body === "function" || typeof body === "symbol") {
    throw new FunboostError("BAD_ARGS", `publishRaw() takes text or a JSON value, got ${describe(body)}.`, {
      where: definition.params.queue,
    });
  }
  const task = definition.open ?? (await connected(definition));
  const raw = body instanceof Uint8Array ? Buffer.from(body).toString("utf8") : body;
  const [published] = await send(task, [{ body: raw as Message["body"], ...(currentRun() ? { ahead: true } : {}) }]);
  return new TaskHandle<R>(definition, published as Published, undefined);
}

function toMessage(definition: Definition, args: readonly unknown[], options: PublishOptions | undefined): Message {
  const { id, delayMs, priority, limits: own } = resolvePublish(options, clock.now());
  const trace = traceHeaders();
  const limits = trace ? { ...own, headers: { ...trace, ...own?.headers } } : own;
  const message: { -readonly [K in keyof Message]: Message[K] } = {
    body: encodeBody(definition.signature, args, limits, definition.params.queue),
  };
  if (id !== undefined) message.id = id;
  if (delayMs !== undefined) message.delayMs = delayMs;
  // A child goes before all that waits, or the parents that wait for their children would fill every slot.
  if (currentRun() && (priority ?? 0) >= 0) message.ahead = true;
  else if (priority !== undefined) {
    message.priority = priority;
    message.body = stampExtra(message.body, { priority }); // engines do not tell it again, and a dead letter comes back with it
  }
  return message;
}

/** What only the opened queue can tell: which features it has. */
function checkMessage(
  { queue, store, brokerName, definition, options: own }: OpenTask,
  message: Message,
  options: PublishOptions | undefined,
): void {
  if (options?.filterKey !== undefined && !own.filter && definition.fn) {
    const text = `"filterKey" is given, and the task has no filter that would look at it. Set "filter: true" on the task, or leave the key out.`;
    throw new FunboostError("BAD_OPTION", text, { where: own.queue });
  }
  if (message.delayMs !== undefined && !queue.features.delay)
    throw needsStore(brokerName, options?.eta === undefined ? "delay" : "eta");
  if (options?.rpc && !store && !queue.result) throw needsStore(brokerName, "rpc");
}

/** The first publish connects: within `publishTimeout` too, and what is down then is a publish that was not accepted. */
async function connected(definition: Definition): Promise<OpenTask> {
  const { publishTimeoutMs: ms } = optionsOf(definition);
  const broker = brokerOf(definition);
  const where = brokerName(broker);
  const address = typeof broker === "string" ? undefined : broker.address?.();
  try {
    return await deadline(openTask(definition), ms, "connecting", where, address);
  } catch (cause) {
    if (!isFunboostError(cause) || cause.code !== "BROKER_DOWN") throw cause;
    throw new PublishError(`queue "${definition.params.queue}": nothing was accepted. ${cause.message}`, [], {
      cause,
      where,
    });
  }
}

async function send(
  task: OpenTask,
  messages: readonly Message[],
  before: readonly { readonly id: string }[] = [],
): Promise<readonly Published[]> {
  const { options, brokerName } = task;
  const publish = () =>
    deadline(
      publishNew(task, messages),
      options.publishTimeoutMs,
      `publishing to queue "${options.queue}"`,
      brokerName,
      task.address,
    );
  const fields = () => ({ queue: options.queue, broker: brokerName, count: messages.length });
  try {
    const published = await (isWatched(publishing)
      ? inSpan(publishing, fields(), publish, (all) => ({ ids: all.map(({ id }) => id) }))
      : publish());
    if (points.duplicate.hasSubscribers) tellDuplicates(task, published);
    return published;
  } catch (error) {
    throw publishError(
      toError(error),
      task,
      before.map(({ id }) => id),
      messages.length,
    );
  }
}

function tellDuplicates({ options, brokerName }: OpenTask, published: readonly Published[]): void {
  for (const { id, existing } of published)
    if (existing) tell(points.duplicate, () => ({ queue: options.queue, broker: brokerName, taskId: id }));
}

async function publishNew(task: OpenTask, messages: readonly Message[]): Promise<readonly Published[]> {
  const { options, store } = task;
  const endsAt = clock.monotonic() + options.publishTimeoutMs;
  if (!store) return publishUnended(task, messages, endsAt);
  const publish = (fresh: readonly Message[]) =>
    publishUnknown(task, store, fresh, (unknown) => publishUnended(task, unknown, endsAt));
  return options.filter?.when === "published"
    ? publishUnseen(task, store, options.filter, messages, publish)
    : publish(messages);
}

async function publishUnended(
  task: OpenTask,
  messages: readonly Message[],
  endsAt: number,
): Promise<readonly Published[]> {
  const { queue, options, brokerName } = task;
  const ended =
    options.rpc && messages.some(({ id }) => id !== undefined) ? await endedBefore(task, messages) : undefined;
  // The caller has been told that nothing was accepted: what a store held up must not be sent behind their back.
  if (clock.monotonic() >= endsAt)
    throw new FunboostError("BROKER_DOWN", "the store answered too late, nothing was sent.", { where: brokerName });
  if (!ended) return queue.publish(messages);
  const published = [...(await queue.publish(messages.filter(({ id }) => !ended.has(id as string))))];
  return messages.map(({ id }) => ended.get(id as string) ?? (published.shift() as Published));
}

/** Ids whose result is still kept are known: they are not published again. One that was cancelled may be. */
async function endedBefore(
  { queue, store, scope }: OpenTask,
  messages: readonly Message[],
): Promise<Map<string, Published> | undefined> {
  const ids = messages.flatMap(({ id }) => id ?? []);
  const ends = queue.result
    ? await Promise.all(ids.map((id) => queue.result?.(id, { facts: false })))
    : (await store?.results.get(scope, ids))?.map((text) =>
        text === undefined ? undefined : (JSON.parse(text) as Outcome),
      );
  const found = ids.flatMap((id, i) => (ends?.[i] ? [{ id, cancelled: ends[i].status === "cancelled" }] : []));
  const cancelled = found.filter((each) => each.cancelled).map(({ id }) => id);
  if (cancelled.length > 0 && !queue.result) await store?.results.delete(scope, cancelled);
  const ended = found.filter((each) => !each.cancelled);
  return ended.length > 0 ? new Map(ended.map(({ id }) => [id, { id, existing: true }])) : undefined;
}

function publishError(
  cause: Error,
  { options, brokerName }: OpenTask,
  before: readonly string[],
  unsure: number,
  sent = false,
): Error {
  if (!sent && isFunboostError(cause) && cause.code.startsWith("BAD_")) return cause; // refused before anything was sent
  const accepted = [...before, ...acceptedOf(cause)];
  const known =
    accepted.length === 0
      ? "None is known to be accepted"
      : `Accepted: ${accepted.length <= 20 ? accepted.join(", ") : `${accepted.length} ids, see error.accepted`}`;
  const text = `queue "${options.queue}": ${unsure} ${unsure === 1 ? "message was" : "messages were"} not confirmed. ${known}. ${cause.message}`;
  return new PublishError(text, accepted, { cause, where: brokerName });
}
