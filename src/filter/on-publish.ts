/** filter with `when: "published"`: what was published with the same arguments is not published again. */
import { clock, sleep } from "../base/clock.ts";
import { FunboostError, toError } from "../base/errors.ts";
import type { MessageWithId } from "../base/message-id.ts";
import type { Message, Published } from "../contract/broker.ts";
import type { SetEntry, Store } from "../contract/store.ts";
import type { FilterOptions } from "../options/filter.ts";
import type { Definition, OpenQueue } from "../setup/model.ts";
import { decodeBody } from "../wire/call.ts";
import { filterKey, isCancelled, releaseEntry } from "./key.ts";

/** The signature tells a message's arguments, which make its key. */
export interface KeyedQueue extends OpenQueue {
  readonly definition: Pick<Definition, "signature">;
}

interface Entry {
  readonly message: MessageWithId;
  readonly key: string;
  readonly ttlMs: number;
}

/** Whose a key is: our message's, or that of another, which is published for sure. */
type OwnedEntry = Entry & { readonly owner: string };

/** What became of the keys of one publish. */
export interface KeyClaims {
  /** Equal to one that is published: answered with its id. */
  readonly known: ReadonlyMap<Message, Published>;
  /**
   * After the publish of the others: they keep their keys.
   * Where it failed with the ids that were accepted: only those do, the other keys are given back.
   */
  settle(accepted?: readonly string[]): Promise<void>;
}

/** Claimed, and maybe not published yet: its process may have died. */
const claimPrefix = "claim ";
const publishedPrefix = "published ";
const claimOf = ({ message }: Entry) => `${claimPrefix}${message.id}`;

/** Until a claim of another publisher is looked at again. */
const lookAgainMs = 50;

/** Claims each key for its message's id. */
export async function claimKeys(
  task: KeyedQueue,
  store: Store,
  filter: FilterOptions,
  messages: readonly MessageWithId[],
): Promise<KeyClaims> {
  const entries = await claimAll(task, store, filter, messages);
  const own = entries.filter(({ message, owner }) => message.id === owner);
  const equal = entries.filter(({ message, owner }) => message.id !== owner);
  return {
    known: new Map(equal.map(({ message, owner }) => [message, { id: owner, existing: true }])),
    async settle(accepted) {
      if (!accepted) return keepClaims(task, store, own);
      const ids = new Set(accepted);
      const unsent = own.filter(({ owner }) => !ids.has(owner));
      const releases = unsent.map((each) => releaseEntry(each.key, claimOf(each)));
      await store.set(releases).catch(() => {}); // the publish's own error says more
      const sent = own.filter(({ owner }) => ids.has(owner));
      await keepClaims(task, store, sent);
    },
  };
}

/** A key of another publisher's claim is decided when that has published, or its claim has ended: it may have died. */
async function claimAll(
  task: KeyedQueue,
  store: Store,
  filter: FilterOptions,
  messages: readonly MessageWithId[],
): Promise<readonly OwnedEntry[]> {
  const { publishTimeoutMs, queue } = task.options;
  const entries = messages.map((message) => ({
    message,
    key: keyOf(task, filter, message),
    ttlMs: filter.ttlMs + (message.delayMs ?? 0),
  }));
  const owners = new Map<Entry, string>();
  const endsAt = clock.monotonic() + publishTimeoutMs;
  for (let open: readonly Entry[] = entries; open.length > 0; open = entries.filter((entry) => !owners.has(entry))) {
    if (open !== entries) await sleep(lookAgainMs);
    if (clock.monotonic() >= endsAt)
      throw new FunboostError(
        "BROKER_DOWN",
        "filter: another process has begun to publish an equal message, and has not ended.",
        { where: queue },
      );
    await claimSome(task, store, open, owners);
  }
  return entries.map((entry) => ({ ...entry, owner: owners.get(entry) as string }));
}

async function claimSome(
  task: OpenQueue,
  store: Store,
  open: readonly Entry[],
  owners: Map<Entry, string>,
): Promise<void> {
  const { publishTimeoutMs } = task.options;
  // As long as a publish may take and a bit, so that none goes on behind its claim.
  const claims = open.map((entry) => ({
    key: entry.key,
    value: claimOf(entry),
    ttlMs: Math.min(entry.ttlMs, publishTimeoutMs + lookAgainMs),
    if: "absent" as const,
  }));
  const wins = await store.set(claims);
  const values = await store.get(open.map(({ key }) => key));
  const releases = await Promise.all(open.map((entry, i) => releaseCancelled(task, store, entry, values[i] ?? "")));
  const ours = new Set(claims.filter((_, i) => wins[i]).map(({ value }) => value));
  for (const [i, entry] of open.entries()) {
    const value = values[i] ?? "";
    // Also where the answer was lost, or another publishes the same id: that the engine takes once.
    if (releases[i]) continue; // claimed at the next look
    if (wins[i] || value === claimOf(entry)) owners.set(entry, entry.message.id);
    else if (value.startsWith(publishedPrefix)) owners.set(entry, value.slice(publishedPrefix.length));
    else if (ours.has(value)) owners.set(entry, value.slice(claimPrefix.length)); // twice in one list
  }
}

/** A task that was cancelled keeps nobody from being published. */
async function releaseCancelled(
  task: OpenQueue,
  store: Store,
  { key, message }: Entry,
  value: string,
): Promise<boolean> {
  const owner = value.startsWith(publishedPrefix) ? value.slice(publishedPrefix.length) : message.id;
  if (owner === message.id || !(await isCancelled(task, owner))) return false;
  await store.set([releaseEntry(key, value)]);
  return true;
}

/** For the whole ttl, now that it is published. */
async function keepClaims({ log, options }: OpenQueue, store: Store, own: readonly OwnedEntry[]): Promise<void> {
  if (own.length === 0) return;
  const marks = own.flatMap((each): SetEntry[] => {
    const mark = { key: each.key, value: `${publishedPrefix}${each.owner}`, ttlMs: each.ttlMs };
    return [
      { ...mark, if: { equals: claimOf(each) } },
      { ...mark, if: "absent" },
    ];
  });
  await store
    .set(marks)
    .catch((error: unknown) =>
      log.warn(
        { queue: options.queue, error: toError(error) },
        "filter: published, but an equal message may soon be, too",
      ),
    );
}

function keyOf({ definition, options, scope }: KeyedQueue, filter: FilterOptions, { body }: Message): string {
  const { args, limits, unbound } = decodeBody(body, definition.signature, options.convert);
  if (unbound) throw unbound;
  return filterKey(scope, filter, args, limits.filterKey, options.job);
}
