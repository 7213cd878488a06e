/** A store as one user sees it: all that lies under a namespace, and nothing else. */
import { describe, FunboostError } from "../base/errors.ts";
import type { Store } from "../contract/store.ts";

const allowed = /^[A-Za-z0-9._-]{1,64}$/;

export function checkNamespace(namespace: unknown): asserts namespace is string {
  if (typeof namespace === "string" && allowed.test(namespace)) return;
  const text = `A namespace is 1 to 64 letters of a-z and A-Z, digits, ".", "_" or "-", such as "invoices"`;
  throw new FunboostError("BAD_OPTION", `storeOf() got the namespace ${describe(namespace)}. ${text}.`);
}

/** No name of the core begins so, and no namespace holds what ends it. */
const prefixOf = (namespace: string) => `@${namespace}/`;

export function underNamespace(store: Store, namespace: string): Store {
  const prefix = prefixOf(namespace);
  const under = (name: string) => prefix + name;
  const all = (names: readonly string[]) => names.map(under);
  const keyed = <E extends { readonly key: string }>(entries: readonly E[]) =>
    entries.map((each) => ({ ...each, key: under(each.key) }));
  return {
    format: store.format,
    name: store.name,
    scope: store.scope,
    durable: store.durable,
    now: () => store.now(),
    get: (keys) => store.get(all(keys)),
    set: (entries) => store.set(keyed(entries)),
    delete: (keys) => store.delete(all(keys)),
    increment: (counters) => store.increment(keyed(counters)),
    expire: (keys) => store.expire(keyed(keys)),
    reserve: (key, row) => store.reserve(under(key), row),
    lease: (name, owner, ttlMs, fence) => store.lease(under(name), owner, ttlMs, fence),
    release: (name, owner) => store.release(under(name), owner),
    list: {
      append: (entries) => store.list.append(keyed(entries)),
      read: (key, from, limit) => store.list.read(under(key), from, limit),
    },
    ...collections(store, under),
    timers: timers(store.timers, prefix),
    notify: (channel, text) => store.notify(under(channel), text),
    subscribe: (channel, ...how) => store.subscribe(under(channel), ...how),
    results: results(store.results, under),
    async close() {}, // it is shared
  };
}

function collections({ map, index }: Store, under: (name: string) => string): Pick<Store, "map" | "index"> {
  return {
    map: {
      put: (entries) =>
        map.put(
          entries.map((each) => ({
            ...each,
            key: under(each.key),
            ...(each.holding && { holding: { ...each.holding, lease: under(each.holding.lease) } }),
          })),
        ),
      get: (key, fields) => map.get(under(key), fields),
      read: (key, from) => map.read(under(key), from),
      remove: (key, fields) => map.remove(under(key), fields),
    },
    index: {
      put: (name, members) => index.put(under(name), members),
      remove: (name, ids) => index.remove(under(name), ids),
      read: (name, from) => index.read(under(name), from),
      count: (name) => index.count(under(name)),
    },
  };
}

function timers(inner: Store["timers"], prefix: string): Store["timers"] {
  const all = (names: readonly string[]) => names.map((name) => prefix + name);
  const queued = <E extends { readonly queue: string }>(entries: readonly E[]) =>
    entries.map((each) => ({ ...each, queue: prefix + each.queue }));
  return {
    add: (entries) => inner.add(queued(entries)),
    async lease(queues, how) {
      const leased = await inner.lease(all(queues), how);
      const entries = leased.entries.map((each) => ({ ...each, queue: each.queue.slice(prefix.length) }));
      return { ...leased, entries };
    },
    ack: (leased) => inner.ack(queued(leased)),
    remove: (entries) => inner.remove(queued(entries)),
    read: (queue, from) => inner.read(prefix + queue, from),
    count: (queues) => inner.count(all(queues)),
    clear: (queues) => inner.clear(all(queues)),
  };
}

function results(inner: Store["results"], under: (name: string) => string): Store["results"] {
  return {
    put: (queue, ended) => inner.put(under(queue), ended),
    get: (queue, ids) => inner.get(under(queue), ids),
    delete: (queue, ids) => inner.delete(under(queue), ids),
    wait: (queue, id, signal) => inner.wait(under(queue), id, signal),
  };
}
