/** What is known already is not published again: who is asked, in which order, and one publish of the rest. */

import { v7 as uuidv7 } from "uuid";
import { clock } from "../base/clock.ts";
import { acceptedOf, FunboostError } from "../base/errors.ts";
import { readStored } from "../base/json.ts";
import { hasId, type MessageWithId } from "../base/message-id.ts";
import { publishExcept } from "../base/publish-except.ts";
import type { Message, Published } from "../contract/broker.ts";
import { claimKeys, type KeyedQueue } from "../filter/on-publish.ts";
import type { OpenQueue } from "../setup/model.ts";
import { readEndedIds } from "../store/known-ids.ts";
import type { Outcome } from "../task/outcome.ts";

interface Finding {
  /** With what their publishers are answered. */
  readonly known: ReadonlyMap<Message, Published>;
  /** Where the others were claimed: called after their publish; if that failed, with the ids that were accepted. */
  readonly settle?: (accepted?: readonly string[]) => Promise<void>;
}

/** Undefined, without a promise: it has nothing to ask. */
type Finder = (task: KeyedQueue, messages: readonly MessageWithId[]) => Promise<Finding> | undefined;

/** Each is asked about those that none before it knows. */
const finders: readonly Finder[] = [equalPublished, knownSinceEnd, keptResult];

/** Where nobody is to be asked, no promise comes between the caller and the engine. */
export function publishNew(task: KeyedQueue, messages: readonly Message[]): Promise<readonly Published[]> {
  // A filter's key belongs to an id.
  if (filterOf(task)) return publishUnknown(task, messages.map(onceIfGiven).map(withId));
  return messages.some(hasId) ? publishUnknown(task, messages.map(onceIfGiven)) : task.queue.publish(messages);
}

function onceIfGiven(message: Message): Message {
  return hasId(message) ? { ...message, once: true } : message;
}

async function publishUnknown(task: KeyedQueue, messages: readonly Message[]): Promise<readonly Published[]> {
  const endsAt = clock.monotonic() + task.options.publishTimeoutMs;
  const withIds = messages.filter(hasId);
  const findings: Finding[] = [];
  const publish = async () => {
    const known = new Map<Message, Published>();
    for (const find of finders) {
      const unknown = withIds.filter((message) => !known.has(message));
      const asked = unknown.length > 0 ? find(task, unknown) : undefined;
      if (!asked) continue;
      const finding = await asked;
      findings.push(finding);
      for (const [message, published] of finding.known) known.set(message, published);
    }
    refuseLate(task, endsAt);
    return publishExcept(messages, known, (rest) => task.queue.publish(rest));
  };
  const published = await publish().catch(async (error: unknown) => {
    for (const { settle } of findings) await settle?.(acceptedOf(error));
    throw error;
  });
  for (const { settle } of findings) await settle?.();
  return published;
}

/** The caller has been told that nothing was accepted: what a store held up must not be sent behind their back. */
function refuseLate({ brokerName }: OpenQueue, endsAt: number): void {
  if (clock.monotonic() >= endsAt)
    throw new FunboostError("BROKER_DOWN", "the store answered too late, nothing was sent.", { where: brokerName });
}

/** Was an equal message published, within the filter's time? If not, its key is claimed. */
function equalPublished(task: KeyedQueue, messages: readonly MessageWithId[]): Promise<Finding> | undefined {
  const filter = filterOf(task);
  return filter && task.store && claimKeys(task, task.store, filter, messages);
}

function filterOf({ store, options: { filter } }: OpenQueue): typeof filter {
  return store && filter?.when === "published" ? filter : undefined;
}

/** Has a task with this id ended, within a day? */
function knownSinceEnd({ store, scope }: OpenQueue, messages: readonly MessageWithId[]): Promise<Finding> | undefined {
  return store && readEndedIds(store, scope, messages.map(idOf)).then((ids) => existing(messages, ids));
}

/** Is a result kept under this id? One that was cancelled may be published again: its result is dropped. */
function keptResult(task: OpenQueue, messages: readonly MessageWithId[]): Promise<Finding> | undefined {
  return task.options.rpc && findResults(task, messages);
}

async function findResults(task: OpenQueue, messages: readonly MessageWithId[]): Promise<Finding> {
  const { queue, store, scope } = task;
  const ids = messages.map(idOf);
  const statuses = await readStatuses(task, ids);
  const cancelled = ids.filter((_, i) => statuses[i] === "cancelled");
  if (cancelled.length > 0 && !queue.result) await store?.results.delete(scope, cancelled);
  return existing(messages, new Set(ids.filter((_, i) => statuses[i] !== undefined && statuses[i] !== "cancelled")));
}

async function readStatuses(
  { queue, store, scope }: OpenQueue,
  ids: readonly string[],
): Promise<readonly (Outcome["status"] | undefined)[]> {
  if (queue.result) return Promise.all(ids.map(async (id) => (await queue.result?.(id, { facts: false }))?.status));
  const texts = (await store?.results.get(scope, ids)) ?? [];
  // One that cannot be read has ended, too.
  return texts.map((text) => (text === undefined ? undefined : (readStored<Outcome>(text)?.status ?? "done")));
}

function existing(messages: readonly MessageWithId[], ids: ReadonlySet<string>): Finding {
  const known = messages.filter(({ id }) => ids.has(id));
  return { known: new Map(known.map((message) => [message, { id: message.id, existing: true }])) };
}

function withId(message: Message): MessageWithId {
  return { ...message, id: message.id ?? uuidv7() };
}

function idOf({ id }: MessageWithId): string {
  return id;
}
