/**
 * push, publish, publishMany and publishRaw: from arguments to messages in a queue.
 *
 * What is checked, in this order: the arguments, by the task's schema (`input`, behind its middleware); that arguments
 * and options make a message; once the queue is open, that its features can carry it. A list is made into messages
 * first, so that no schema is asked about a list that is none, and nothing of it is sent before all of it is checked;
 * but behind middleware each item is a publish of its own.
 */
import { clock } from "../base/clock.ts";
import { deadline } from "../base/deadline.ts";
import { acceptedOf, describe, FunboostError, isFunboostError, PublishError, toError } from "../base/errors.ts";
import { copyPlain } from "../base/plain-copy.ts";
import type { Published } from "../contract/broker.ts";
import { checkInput, composePublish } from "../options/compose.ts";
import type { Schema } from "../options/middleware.ts";
import type { PublishOptions } from "../options/publish.ts";
import { resolveOptions } from "../options/resolve.ts";
import type { Options } from "../options/task.ts";
import { TaskHandle } from "../results/handle.ts";
import { configuration } from "../setup/configure.ts";
import { brokerOf, nameOfBroker } from "../setup/definition.ts";
import type { Definition, OpenTask, Outbox } from "../setup/model.ts";
import { openTask } from "../setup/open.ts";
import { createOutbox } from "./outbox.ts";
import { publishError, send } from "./send.ts";
import { checkMessage, itemToMessage, named, type PublishItem, rawToMessage, toMessage } from "./to-message.ts";

export async function publishOne<R>(
  definition: Definition,
  args: readonly unknown[],
  options: PublishOptions | undefined,
): Promise<TaskHandle<R>> {
  if (hasMiddleware(definition)) return publishWithMiddleware(definition, args, options);
  return publishPlain(definition, args, options);
}

function hasMiddleware({ params }: Definition): boolean {
  const defaults = configuration().defaults ?? {};
  return (params.usePublish ?? params.input ?? defaults.usePublish ?? defaults.input) !== undefined;
}

const noMiddleware: Pick<Options, "input" | "usePublish"> = { input: undefined, usePublish: [] };

/** Also before the first use has resolved them. */
function optionsOf({ open, params }: Definition): Options {
  return open?.options ?? resolveOptions(params, configuration().defaults ?? {});
}

/** Through the task's own middleware and the schema of its arguments. */
async function publishWithMiddleware<R>(
  definition: Definition,
  args: readonly unknown[],
  options: PublishOptions = {},
): Promise<TaskHandle<R>> {
  const resolved = optionsOf(definition);
  const { usePublish, input } = resolved;
  const publish = composePublish(usePublish, async (outgoing) => {
    if (input) await checkInput(input, outgoing.args, definition.signature, resolved);
    const hasOptions = Object.keys(outgoing.options).length > 0;
    return publishPlain(definition, outgoing.args, hasOptions ? outgoing.options : undefined);
  });
  return (await publish(copyPlain({ args, options }, new Map()))) as TaskHandle<R>;
}

async function publishPlain<R>(
  definition: Definition,
  args: readonly unknown[],
  given: PublishOptions | undefined,
): Promise<TaskHandle<R>> {
  const nowMs = clock.now();
  const unnamed = toMessage(definition, args, given, nowMs);
  const options = given && { ...given };
  const task = definition.open ?? (await connect(definition));
  const message = named(task, unnamed, options);
  checkMessage(task, message, options);
  // An id may be refused or known: such a message goes by itself.
  const published =
    message.id === undefined ? await outboxOf(task)(message) : ((await send(task, [message]))[0] as Published);
  return new TaskHandle<R>(definition, published, nowMs, options?.rpc);
}

/** Each by itself: some may be refused, or fail, when others have been sent. */
async function publishEachWithMiddleware<R>(
  definition: Definition,
  items: readonly PublishItem[],
): Promise<TaskHandle<R>[]> {
  const outcomes = await Promise.allSettled(
    items.map(({ args, ...options }) => publishWithMiddleware<R>(definition, args, options)),
  );
  const handles = outcomes.flatMap((each) => (each.status === "fulfilled" ? each.value : []));
  const failures = outcomes.flatMap((each) => (each.status === "rejected" ? [toError(each.reason)] : []));
  const [first] = failures;
  if (!first) return handles;
  if (handles.length === 0) throw first;
  const accepted = [...handles.map(({ id }) => id), ...acceptedOf(first)];
  throw publishError(await openTask(definition), first, accepted, failures.length);
}

function outboxOf(task: OpenTask): Outbox {
  task.outbox ??= createOutbox((messages) => send(task, messages));
  return task.outbox;
}

export async function publishAll<R>(definition: Definition, items: readonly PublishItem[]): Promise<TaskHandle<R>[]> {
  if (!Array.isArray(items))
    throw new FunboostError("BAD_ARGS", `takes a list, got ${describe(items)}.`, { where: definition.params.queue });
  const all = items.map((item, i) => itemToMessage(definition, item, i));
  const { input, usePublish } = hasMiddleware(definition) ? optionsOf(definition) : noMiddleware;
  if (usePublish.length > 0) return publishEachWithMiddleware(definition, items);
  if (input) await checkEachInput(definition, items, input);
  const task = definition.open ?? (await connect(definition));
  for (const { message, options } of all) checkMessage(task, message, options);
  const handles: TaskHandle<R>[] = [];
  const nowMs = clock.now();
  for (let from = 0; from < all.length; from += chunk) {
    const some = all.slice(from, from + chunk);
    const messages = some.map(({ message, options }) => named(task, message, options));
    const published = await send(task, messages, handles);
    published.forEach((each, i) => {
      handles.push(new TaskHandle<R>(definition, each, nowMs, some[i]?.options?.rpc));
    });
  }
  return handles;
}

async function checkEachInput(definition: Definition, items: readonly PublishItem[], input: Schema): Promise<void> {
  const own = copyPlain(items, new Map()); // a schema may take its time
  await Promise.all(own.map(({ args }) => checkInput(input, args, definition.signature, optionsOf(definition))));
}

/** Large enough for the engines' best rate, small enough that a refused publish says closely what was accepted. */
const chunk = 1_000;

export async function publishRaw<R>(definition: Definition, body: unknown): Promise<TaskHandle<R>> {
  const message = rawToMessage(definition, body);
  const task = definition.open ?? (await connect(definition));
  const nowMs = clock.now();
  const [published] = await send(task, [named(task, message, { isRaw: true })]);
  return new TaskHandle<R>(definition, published as Published, nowMs);
}

/** The first publish connects: within `publishTimeout` too, and where the server is down nothing was accepted. */
async function connect(definition: Definition): Promise<OpenTask> {
  const { publishTimeoutMs: ms } = optionsOf(definition);
  const broker = brokerOf(definition);
  const where = nameOfBroker(broker);
  const address = typeof broker === "string" ? undefined : broker.address?.();
  try {
    return await deadline(openTask(definition), ms, "connecting", where, address);
  } catch (cause) {
    if (!isFunboostError(cause) || cause.code !== "BROKER_DOWN") throw cause;
    const text = `queue "${definition.params.queue}": nothing was accepted. ${cause.message}`;
    throw new PublishError(text, [], { cause, where });
  }
}
