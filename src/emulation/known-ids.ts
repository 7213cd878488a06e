/** Known ids, where the engine's knowledge ends at a body, a lane or a timer: a caller's id is claimed in the store. */
import { v7 as uuidv7, validate, version } from "uuid";
import { clock, sleep } from "../base/clock.ts";
import { acceptedOf, isFunboostError, toError } from "../base/errors.ts";
import { hasId, type MessageWithId } from "../base/message-id.ts";
import { publishExcept } from "../base/publish-except.ts";
import { isOpen } from "../base/task-state.ts";
import type {
  Broker,
  BrokerQueue,
  ConsumeOptions,
  Consumer,
  Delivery,
  Handler,
  Message,
  Published,
  SetEntry,
  Store,
} from "../contract/index.ts";
import { scopeOf } from "../store/scope.ts";

/** Beyond the message's delay: a claim whose release was lost ends by itself. */
const ttlMs = 86_400_000;
/**
 * A claim whose message the engine does not know for so long is that of a process that died between the two:
 * a publish takes some milliseconds.
 */
const unsentMs = 1_000;
const lookMs = 10;
const sentMark = "1";
/** In the place of a claim whose task has ended: who asked the store before that does not publish it again. */
const endedMark = "0";
const endedMs = 60_000;

/**
 * The outermost emulation. Cannot promise: that an id is free at once after a crash between acknowledgement and
 * release; it is after a day. Nor that it is published once where a publisher stands still between its claim and its
 * publish, and others use another lane meanwhile.
 */
export function withKnownIds(broker: Broker, store: Store): Broker {
  return {
    ...broker,
    async open(spec) {
      const queue = await broker.open(spec);
      return knownIdsOn(queue, createClaims(store, scopeOf(broker, queue, spec)));
    },
  };
}

type Claims = ReturnType<typeof createClaims>;

/** `clear` cannot list the claims of a queue: it starts a new generation of them. */
function createClaims(store: Store, name: string) {
  const generationKey = `known:${name}`;
  const keysOf = async (ids: readonly string[]) => {
    const [generation = "0"] = await store.get([generationKey]);
    return ids.map((id) => `${generationKey}:${generation}:${id}`);
  };
  const write = async (messages: readonly MessageWithId[], entryOf: (i: number) => Pick<SetEntry, "value" | "if">) => {
    const keys = await keysOf(messages.map(({ id }) => id));
    return store.set(keys.map((key, i) => ({ key, ttlMs: ttlMs + (messages[i]?.delayMs ?? 0), ...entryOf(i) })));
  };
  return {
    /** Under a publisher's token; `over`: in the place of those that are dead. */
    take: (messages: readonly MessageWithId[], token: string, over: readonly (string | undefined)[] = []) =>
      write(messages, (i) => ({ value: token, if: over[i] === undefined ? "absent" : { equals: over[i] } })),
    holders: async (messages: readonly MessageWithId[]) => store.get(await keysOf(messages.map(({ id }) => id))),
    /** The engine has them: from now on nobody asks whether their publisher is dead. */
    confirm: (messages: readonly MessageWithId[], token: string) =>
      write(messages, () => ({ value: sentMark, if: { equals: token } })),
    release: async (ids: readonly string[]) => store.delete(await keysOf(ids)),
    async end(id: string) {
      const [key = ""] = await keysOf([id]);
      const [holder] = await store.get([key]);
      if (holder !== undefined) await store.set([{ key, value: endedMark, ttlMs: endedMs }]); // most were never claimed
    },
    async releaseAll() {
      await store.increment([{ key: generationKey, by: 1 }]);
    },
  };
}

function knownIdsOn(queue: BrokerQueue, claims: Claims): BrokerQueue {
  const { clear, cancel } = queue;
  return {
    ...queue,
    publish: (messages) => publish(queue, claims, messages),
    consume: (handler, options) => consume(queue, claims, handler, options),
    ...(clear && {
      async clear() {
        await clear();
        await claims.releaseAll();
      },
    }),
    ...(cancel && {
      async cancel(ids: readonly string[]) {
        const removed = await cancel(ids);
        if (removed.length > 0) await claims.release(removed);
        return removed;
      },
    }),
  };
}

async function publish(
  queue: BrokerQueue,
  claims: Claims,
  messages: readonly Message[],
): Promise<readonly Published[]> {
  const named = messages.filter(hasId);
  if (named.length === 0) return queue.publish(messages);
  const token = uuidv7();
  const own = await claim(queue, claims, named, token);
  const others = named.filter((message) => !own.has(message));
  const known = new Map(others.map((message) => [message, { id: message.id, existing: true }]));
  const published = await publishExcept(messages, known, (rest) => queue.publish(rest)).catch(async (error) => {
    const accepted = new Set(acceptedOf(error));
    const unsent = [...own].flatMap(({ id }) => (accepted.has(id) ? [] : id));
    await claims.release(unsent).catch(() => {}); // the publish's own error says more
    throw error;
  });
  await claims.confirm([...own], token).catch(() => {}); // whoever finds it unconfirmed asks the engine
  return published;
}

/** Those that nobody else has published, or is publishing. */
async function claim(
  queue: BrokerQueue,
  claims: Claims,
  named: readonly MessageWithId[],
  token: string,
): Promise<ReadonlySet<MessageWithId>> {
  const own = new Set<MessageWithId>();
  const firstSeen = new Map<string, number>(); // of a claim: each has its own time
  const isDead = (holder: string) =>
    holder === endedMark || clock.monotonic() - (firstSeen.get(holder) ?? Number.POSITIVE_INFINITY) > unsentMs;
  let over: readonly (string | undefined)[] = [];
  for (let left = named; ; await sleep(lookMs)) {
    const wins = await claims.take(left, token, over);
    for (const [i, message] of left.entries()) if (wins[i]) own.add(message);
    const others = left.filter((_, i) => !wins[i]);
    const unsent =
      others.length > 0 ? await unsentOf(queue, claims, others, token) : new Map<MessageWithId, string | undefined>();
    if (unsent.size === 0) return own;
    left = [...unsent.keys()];
    over = Array.from(unsent.values(), (holder) => (holder !== undefined && isDead(holder) ? holder : undefined));
    for (const holder of unsent.values())
      if (holder !== undefined && !firstSeen.has(holder)) firstSeen.set(holder, clock.monotonic());
  }
}

/** Claimed by others and, as far as can be told, not in the engine; with whose claim it is, if it is still there. */
async function unsentOf(
  queue: BrokerQueue,
  claims: Claims,
  messages: readonly MessageWithId[],
  token: string,
): Promise<ReadonlyMap<MessageWithId, string | undefined>> {
  const holders = await claims.holders(messages);
  const isKnown = (holder: string | undefined, { once }: Message) =>
    holder === sentMark || holder === token || (holder === endedMark && once === true);
  const unconfirmed = [...messages.entries()].filter(([i, message]) => !isKnown(holders[i], message));
  const states = await Promise.all(unconfirmed.map(([, { id }]) => queue.state?.(id)));
  return new Map(unconfirmed.flatMap(([i, message], n) => (isOpen(states[n]) ? [] : [[message, holders[i]] as const])));
}

const codeOf = (error: Error) => (isFunboostError(error) ? error.code : undefined);

/** Ids that look like our own were never claimed, so that most messages cost nothing here. */
function isOurs(id: string): boolean {
  return id.length === 36 && validate(id) && version(id) === 7;
}

async function consume(
  queue: BrokerQueue,
  claims: Claims,
  handler: Handler,
  options: ConsumeOptions,
): Promise<Consumer> {
  const final = new Map<Delivery, (id: string) => Promise<void>>();
  const handleOthers: Handler = async (delivery) => {
    const settlement = await handler(delivery);
    // The id of what was cancelled may be used again.
    const isCancelled = settlement.outcome === "failed" && codeOf(settlement.error) === "CANCELLED";
    if (isCancelled) final.set(delivery, (id) => claims.release([id]));
    else if (settlement.outcome === "done" || settlement.outcome === "failed") final.set(delivery, claims.end);
    return settlement;
  };
  const onSettled: ConsumeOptions["onSettled"] = (delivery, how) => {
    const release = how === "applied" ? final.get(delivery) : undefined;
    final.delete(delivery);
    release?.(delivery.id).catch((error) => options.onError(toError(error)));
    options.onSettled(delivery, how);
  };
  return queue.consume((delivery) => (isOurs(delivery.id) ? handler(delivery) : handleOthers(delivery)), {
    ...options,
    onSettled,
  });
}
