/** filter with `when: "published"`: what was published with the same arguments is not published again. */
import { v7 as uuidv7 } from "uuid";
import type { Message, Published } from "./contract/broker.ts";
import type { Store } from "./contract/store.ts";
import { filterKey } from "./controls/filter.ts";
import { toError } from "./errors.ts";
import type { FilterOptions } from "./filter-options.ts";
import { decodeBody } from "./message.ts";
import type { Runtime } from "./runtime.ts";

type Publish = (messages: readonly Message[]) => Promise<readonly Published[]>;

interface Claimed {
  readonly message: Message & { readonly id: string };
  readonly key: string;
  readonly ttlMs: number;
  /** Whose the key is. */
  readonly owner: string;
}

/** Claims each key for its message's id before the publish, and gives back the claims of what was not accepted. */
export async function publishUnseen(
  runtime: Runtime,
  store: Store,
  filter: FilterOptions,
  messages: readonly Message[],
  publish: Publish,
): Promise<readonly Published[]> {
  const claims = await claimAll(runtime, store, filter, messages);
  const fresh = claims.filter(({ message, owner }) => message.id === owner);
  const published = await publish(fresh.map(({ message }) => message)).catch(async (error: { readonly accepted?: readonly string[] }) => {
    const accepted = new Set(error.accepted);
    const lost = fresh.filter(({ owner }) => !accepted.has(owner));
    await store.set(lost.map(({ key, owner }) => ({ key, value: "", ttlMs: 1, if: { equals: owner } }))).catch(() => {}); // the publish's own error says more
    throw error;
  });
  await keepClaims(runtime, store, fresh);
  const own = new Map(fresh.map(({ message }, i) => [message, published[i] as Published]));
  return claims.map(({ message, owner }) => own.get(message) ?? { id: owner, existing: true });
}

async function claimAll(runtime: Runtime, store: Store, filter: FilterOptions, messages: readonly Message[]): Promise<readonly Claimed[]> {
  const entries = messages.map((message) => ({
    message: { ...message, id: message.id ?? uuidv7() },
    key: keyOf(runtime, filter, message),
    ttlMs: filter.ttlMs + (message.delayMs ?? 0),
  }));
  const briefMs = 2 * runtime.options.publishTimeoutMs;
  const won = await store.set(entries.map(({ key, message, ttlMs }) => ({ key, value: message.id, ttlMs: Math.min(ttlMs, briefMs), if: "absent" })));
  const owners = await store.get(entries.map(({ key }) => key));
  return entries.map((entry, i) => ({ ...entry, owner: won[i] ? entry.message.id : (owners[i] ?? entry.message.id) }));
}

/** For the whole ttl, now that it is published: a claim whose process died before that must not stand in the way of others. */
async function keepClaims({ log, options }: Runtime, store: Store, fresh: readonly Claimed[]): Promise<void> {
  if (fresh.length === 0) return;
  const kept = store.set(fresh.map(({ key, owner, ttlMs }) => ({ key, value: owner, ttlMs, if: { equals: owner } })));
  await kept.catch((error: unknown) => log.warn({ queue: options.queue, error: toError(error) }, "filter: published, but an equal message may soon be, too"));
}

function keyOf({ definition, options, scope }: Runtime, filter: FilterOptions, { body }: Message): string {
  const { args, limits } = decodeBody(body, definition.signature, options.convert);
  return filterKey(scope, filter, args, limits.filterKey);
}
