/** filter with `when: "published"`: what was published with the same arguments is not published again. */
import { v7 as uuidv7 } from "uuid";
import { clock, sleep } from "../base/clock.ts";
import { acceptedOf, FunboostError, toError } from "../base/errors.ts";
import type { Message, Published } from "../contract/broker.ts";
import type { SetEntry, Store } from "../contract/store.ts";
import type { FilterOptions } from "../options/filter.ts";
import type { OpenTask } from "../setup/model.ts";
import { decodeBody } from "../wire/call.ts";
import { filterKey, freed, isCancelled } from "./key.ts";

type Publish = (messages: readonly Message[]) => Promise<readonly Published[]>;

interface Entry {
  readonly message: Message & { readonly id: string };
  readonly key: string;
  readonly ttlMs: number;
}

/** Whose a key is: our message's, or that of another, which is published for sure. */
type Claimed = Entry & { readonly owner: string };

/** Claimed, and maybe not published yet: its process may have died. */
const claimPrefix = "claim ";
const publishedPrefix = "published ";
const claimOf = ({ message }: Entry) => `${claimPrefix}${message.id}`;

/** Until a claim of another publisher is looked at again. */
const lookAgainMs = 50;

/** Claims each key for its message's id before the publish, and gives back the claims of what was not accepted. */
export async function publishUnseen(
  task: OpenTask,
  store: Store,
  filter: FilterOptions,
  messages: readonly Message[],
  publish: Publish,
): Promise<readonly Published[]> {
  const claims = await claimAll(task, store, filter, messages);
  const fresh = claims.filter(({ message, owner }) => message.id === owner);
  const published = await publish(fresh.map(({ message }) => message)).catch(async (error: unknown) => {
    const accepted = new Set(acceptedOf(error));
    const lost = fresh.filter(({ owner }) => !accepted.has(owner));
    await store.set(lost.map((each) => freed(each.key, claimOf(each)))).catch(() => {}); // the publish's own error says more
    await keepClaims(
      task,
      store,
      fresh.filter(({ owner }) => accepted.has(owner)),
    );
    throw error;
  });
  await keepClaims(task, store, fresh);
  const own = new Map(fresh.map(({ message }, i) => [message, published[i] as Published]));
  return claims.map(({ message, owner }) => own.get(message) ?? { id: owner, existing: true });
}

/** A key that another publisher has claimed is decided when it has published, or when its claim has ended: it may have died. */
async function claimAll(
  task: OpenTask,
  store: Store,
  filter: FilterOptions,
  messages: readonly Message[],
): Promise<readonly Claimed[]> {
  const { publishTimeoutMs, queue } = task.options;
  const entries = messages.map((message) => ({
    message: { ...message, id: message.id ?? uuidv7() },
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
  task: OpenTask,
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
  const won = await store.set(claims);
  const found = await store.get(open.map(({ key }) => key));
  const freed = await Promise.all(open.map((entry, i) => freeIfCancelled(task, store, entry, found[i] ?? "")));
  const ours = new Set(claims.filter((_, i) => won[i]).map(({ value }) => value));
  for (const [i, entry] of open.entries()) {
    const value = found[i] ?? "";
    // Also where the answer was lost, or another publishes the same id: that the engine takes once.
    if (freed[i]) continue; // claimed at the next look
    if (won[i] || value === claimOf(entry)) owners.set(entry, entry.message.id);
    else if (value.startsWith(publishedPrefix)) owners.set(entry, value.slice(publishedPrefix.length));
    else if (ours.has(value)) owners.set(entry, value.slice(claimPrefix.length)); // twice in one list
  }
}

/** A task that was cancelled keeps nobody from being published. */
async function freeIfCancelled(task: OpenTask, store: Store, { key, message }: Entry, value: string): Promise<boolean> {
  const owner = value.startsWith(publishedPrefix) ? value.slice(publishedPrefix.length) : message.id;
  if (owner === message.id || !(await isCancelled(task, owner))) return false;
  await store.set([freed(key, value)]);
  return true;
}

/** For the whole ttl, now that it is published. */
async function keepClaims({ log, options }: OpenTask, store: Store, fresh: readonly Claimed[]): Promise<void> {
  if (fresh.length === 0) return;
  const marks = fresh.flatMap((each): SetEntry[] => {
    const mark = { key: each.key, value: `${publishedPrefix}${each.owner}`, ttlMs: each.ttlMs };
    return [
      { ...mark, if: { equals: claimOf(each) } },
      { ...mark, if: "absent" },
    ];
  });
  const kept = store.set(marks);
  await kept.catch((error: unknown) =>
    log.warn(
      { queue: options.queue, error: toError(error) },
      "filter: published, but an equal message may soon be, too",
    ),
  );
}

function keyOf({ definition, options, scope }: OpenTask, filter: FilterOptions, { body }: Message): string {
  const { args, limits } = decodeBody(body, definition.signature, options.convert);
  return filterKey(scope, filter, args, limits.filterKey);
}
