/** Known ids, where the engine's own knowledge ends at the body, a lane or a timer: an id that a caller gave is claimed in the store. */
import { validate, version } from "uuid";
import type { Broker, BrokerQueue, ConsumeOptions, Consumer, Delivery, Handler, Message, Published, Store } from "../contract/index.ts";
import { toError } from "../errors.ts";
import { scopeOf } from "../scope.ts";

/** Beyond the message's delay: a claim whose release was lost ends by itself. */
const ttlMs = 86_400_000;

/** The outermost emulation. Cannot promise: that an id is free at once after a crash between acknowledgement and release; it is after a day. */
export function withKnownIds(broker: Broker, store: Store): Broker {
  return {
    ...broker,
    async open(spec) {
      const queue = await broker.open(spec);
      return knownOn(queue, claimsOf(store, scopeOf(broker, queue, spec)));
    },
  };
}

type Claims = ReturnType<typeof claimsOf>;

/** `clear` cannot list the claims of a queue: it starts a new generation of them. */
function claimsOf(store: Store, name: string) {
  const generationKey = `known:${name}`;
  const keysOf = async (ids: readonly string[]) => {
    const [generation = "0"] = await store.get([generationKey]);
    return ids.map((id) => `${generationKey}:${generation}:${id}`);
  };
  return {
    async take(messages: readonly Message[]): Promise<readonly boolean[]> {
      const keys = await keysOf(messages.map(({ id }) => id as string));
      return store.set(keys.map((key, i) => ({ key, value: "1", ttlMs: ttlMs + (messages[i]?.delayMs ?? 0), if: "absent" })));
    },
    release: async (ids: readonly string[]) => store.delete(await keysOf(ids)),
    async releaseAll() {
      await store.increment([{ key: generationKey, by: 1 }]);
    },
  };
}

function knownOn(queue: BrokerQueue, claims: Claims): BrokerQueue {
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

async function publish(queue: BrokerQueue, claims: Claims, messages: readonly Message[]): Promise<readonly Published[]> {
  const named = messages.filter(({ id }) => id !== undefined);
  if (named.length === 0) return queue.publish(messages);
  const taken = await claims.take(named);
  const known = new Set(named.filter((_, i) => !taken[i]));
  const fresh = messages.filter((message) => !known.has(message));
  const published = await queue.publish(fresh).catch(async (error) => {
    const accepted = new Set((error as { accepted?: readonly string[] }).accepted);
    const lost = fresh.flatMap(({ id }) => (id === undefined || accepted.has(id) ? [] : id));
    await claims.release(lost).catch(() => {}); // the publish's own error says more
    throw error;
  });
  let next = 0;
  return messages.map((message) => (known.has(message) ? { id: message.id as string, existing: true } : (published[next++] as Published)));
}

/** Ids that look like our own were never claimed, so that most messages cost nothing here. */
function isOurs(id: string): boolean {
  return id.length === 36 && validate(id) && version(id) === 7;
}

async function consume(queue: BrokerQueue, claims: Claims, handler: Handler, options: ConsumeOptions): Promise<Consumer> {
  const final = new Set<Delivery>();
  const take: Handler = async (delivery) => {
    const settlement = await handler(delivery);
    if (settlement.outcome === "done" || settlement.outcome === "failed") final.add(delivery);
    return settlement;
  };
  const onSettled: ConsumeOptions["onSettled"] = (delivery, how) => {
    if (final.delete(delivery) && how === "applied") claims.release([delivery.id]).catch((error) => options.onError(toError(error)));
    options.onSettled(delivery, how);
  };
  return queue.consume((delivery) => (isOurs(delivery.id) ? handler(delivery) : take(delivery)), { ...options, onSettled });
}
