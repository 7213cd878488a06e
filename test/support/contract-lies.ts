/** Ways in which a store can break its contract; each is found by the case of the store suite that it names. */
import type { MapWritten, Store } from "../../src/contract/index.ts";

export interface ContractLie {
  /** The case that must fail. */
  readonly noticedBy: string;
  lie(store: Store): Partial<Store>;
}

const tokens = "acknowledges by the token of the lease: not what another has leased since";
const tick = "reads what was written in its tick, and not what comes after it, of every kind";
const byBytes = "reads an index by the bytes of its ids, in pages, with a prefix";
const answers = "keeps maps, and answers what was written and how many fields there are";
const alike = "ends and deletes values, lists and maps alike";
const queues = "leases timers of several queues in one call, by the time at which they are due";
const byTime = "reads timers by the time at which they are due, in pages";

const timers =
  (change: (timers: Store["timers"]) => Partial<Store["timers"]>) =>
  (store: Store): Partial<Store> => ({ timers: { ...store.timers, ...change(store.timers) } });
const map =
  (change: (map: Store["map"]) => Partial<Store["map"]>) =>
  (store: Store): Partial<Store> => ({ map: { ...store.map, ...change(store.map) } });
const index =
  (change: (index: Store["index"]) => Partial<Store["index"]>) =>
  (store: Store): Partial<Store> => ({ index: { ...store.index, ...change(store.index) } });
const written = (change: (each: MapWritten) => MapWritten) =>
  map(({ put }) => ({ put: async (entries) => (await put(entries)).map(change) }));

/** Removes whatever is leased, whoever leased it last. */
function ackingAll({ timers: inner }: Store): Partial<Store> {
  const tokens = new Map<string, string>();
  return {
    timers: {
      ...inner,
      async lease(queues, how) {
        const leased = await inner.lease(queues, how);
        for (const { id, token } of leased.entries) tokens.set(id, token);
        return leased;
      },
      ack: (leased) => inner.ack(leased.map((each) => ({ ...each, token: tokens.get(each.id) ?? each.token }))),
    },
  };
}

/** Writes reach the store a moment later than what is read. */
const late = (store: Store): Partial<Store> => ({
  list: {
    ...store.list,
    append: async (entries) => {
      await null;
      return store.list.append(entries);
    },
  },
});

/** Fields of one of two pages are not given. */
const losingFields = map(({ read }) => ({
  async read(key, from) {
    const page = await read(key, from);
    return from.after === undefined ? page : { ...page, items: page.items.slice(1) };
  },
}));

const unordered = index(({ read }) => ({
  async read(name, from) {
    const page = await read(name, from);
    return { ...page, items: page.items.toReversed() };
  },
}));

export const contractLies: Readonly<Record<string, ContractLie>> = {
  "acknowledges without a token": { noticedBy: tokens, lie: ackingAll },
  "says that it has removed what it has not": {
    noticedBy: tokens,
    lie: timers(({ ack }) => ({
      async ack(leased) {
        await ack(leased);
        return leased.map(() => true);
      },
    })),
  },
  "leases of the first queue alone": {
    noticedBy: queues,
    lie: timers(({ lease }) => ({ lease: (names, how) => lease(names.slice(0, 1), how) })),
  },
  "counts all queues as one": {
    noticedBy: queues,
    lie: timers(({ count }) => ({
      async count(names) {
        const sum = (await count(names)).reduce((a, b) => a + b, 0);
        return names.map(() => sum);
      },
    })),
  },
  "reads timers as they were added": {
    noticedBy: byTime,
    lie: timers(({ read }) => ({
      async read(queue, from) {
        const page = await read(queue, from);
        return { ...page, items: page.items.toSorted(({ id: a }, { id: b }) => (a < b ? -1 : 1)) };
      },
    })),
  },
  "misses a write of its tick": { noticedBy: tick, lie: late },
  "loses a member": {
    noticedBy: byBytes,
    lie: index(({ put }) => ({ put: (name, members) => put(name, members.slice(1)) })),
  },
  "gives an index out of order": { noticedBy: byBytes, lie: unordered },
  "ignores a prefix": {
    noticedBy: byBytes,
    lie: index(({ read }) => ({ read: (name, { prefix: _, ...from }) => read(name, from) })),
  },
  "keeps members for ever": {
    noticedBy: "ends members of an index, each by the ttl given last",
    lie: index(({ put }) => ({
      put: (name, members) =>
        put(
          name,
          members.map(({ id, value }) => ({ id, value })),
        ),
    })),
  },
  "is off by one in the size of a map": {
    noticedBy: answers,
    lie: written((each) => ({ ...each, size: each.size + 1 })),
  },
  "says that all was written": {
    noticedBy: answers,
    lie: written((each) => ({ ...each, written: each.written.map(() => true) })),
  },
  "overwrites what is to be absent": {
    noticedBy: "lets one of many write a field",
    lie: map(({ put }) => ({ put: (entries) => put(entries.map(({ if: _, ...entry }) => entry)) })),
  },
  "writes to a map whatever lease is held": {
    noticedBy: "writes to a map only while a lease is held, where that is asked for",
    lie: map(({ put }) => ({ put: (entries) => put(entries.map(({ holding: _, ...entry }) => entry)) })),
  },
  "loses a field between two pages": {
    noticedBy: "reads a map in pages, each field that is there all the time once at least",
    lie: losingFields,
  },
  "lets nothing expire": { noticedBy: alike, lie: () => ({ expire: async () => {} }) },
  "deletes values alone": {
    noticedBy: alike,
    lie: ({ delete: remove, list, map: maps }) => ({
      async delete(keys) {
        const lists = await Promise.all(keys.map((key) => list.read(key, 0, 1_000)));
        const kept = await Promise.all(keys.map((key) => maps.read(key, { limit: 1_000 })));
        await remove(keys);
        await list.append(keys.map((key, i) => ({ key, items: lists[i] ?? [] })));
        await maps.put(keys.map((key, i) => ({ key, fields: kept[i]?.items ?? [] })));
      },
    }),
  },
  "reads from the start what is asked for from the end": {
    noticedBy: "answers how long lists are, and reads them from the end",
    lie: ({ list }) => ({ list: { ...list, read: (key, from, limit) => list.read(key, Math.max(0, from), limit) } }),
  },
  "keeps a ttl that was given first": {
    noticedBy: "ends maps and indexes by the ttl given last, and keeps without one what was set",
    lie(store) {
      const given = new Set<string>();
      return map(({ put }) => ({
        put: (entries) =>
          put(
            entries.map(({ ttlMs, ...entry }) => {
              if (ttlMs === undefined || given.has(entry.key)) return entry;
              given.add(entry.key);
              return { ...entry, ttlMs };
            }),
          ),
      }))(store);
    },
  },
};
