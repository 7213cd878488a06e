/** Ways in which a store can lie: the controls rest on it. */
import type { ReservedStart, SetEntry, Store } from "../../src/contract/index.ts";
import type { CaseName } from "../conformance/index.ts";
import type { Fault } from "./lies.ts";

type StoreLie = NonNullable<Fault["store"]>;

const honest: Fault["lie"] = () => ({});
const storeFault = (noticedBy: CaseName, store: StoreLie): Fault => ({ noticedBy, store, lie: honest });
/** Round a store beside a broker that has nothing of its own. */
const emulatedFault = (noticedBy: CaseName, store: StoreLie): Fault => ({ noticedBy, store, lie: honest, bare: true });

/** Entries as they are written, for keys that begin so. */
const setting =
  (prefix: string, change: (entry: SetEntry) => SetEntry): StoreLie =>
  ({ set }) => ({
    set: (entries) => set(entries.map((entry) => (entry.key.startsWith(prefix) ? change(entry) : entry))),
  });

const unconditional = ({ if: _, ...entry }: SetEntry): SetEntry => entry;
const forEver = ({ ttlMs: _, ...entry }: SetEntry): SetEntry => entry;

/** Says that it has written what begins so, and has not. */
const dropping =
  (prefix: string): StoreLie =>
  ({ set }) => ({
    async set(entries) {
      const kept = entries.filter(({ key }) => !key.startsWith(prefix));
      const held = [...(await set(kept))];
      return entries.map(({ key }) => key.startsWith(prefix) || (held.shift() ?? false));
    },
  });

const reservingTwice: StoreLie = ({ reserve }) => {
  let left: ReservedStart | undefined; // one that was given once
  return {
    async reserve(key, row) {
      const before = left === undefined ? [] : [left];
      const fresh = await reserve(key, { ...row, count: Math.ceil((row.count - before.length) / 2) });
      const starts = [...before, ...fresh.starts.flatMap((each) => [each, each])];
      left = starts.length > row.count ? starts.pop() : undefined;
      return { ...fresh, starts };
    },
  };
};

const losingRows: StoreLie = ({ list }) => {
  let n = 0;
  return {
    list: {
      ...list,
      append: (entries) =>
        list.append(
          entries.map((each) => (each.key.startsWith("records:") && ++n % 2 === 0 ? { ...each, items: [] } : each)),
        ),
    },
  };
};

export const storeFaults = {
  "forgets who has claimed a filter key": storeFault(
    "of equal messages at once one runs",
    setting("filter:", unconditional),
  ),
  "forgets which filter keys are done": storeFault(
    "a task that was done is not done again with the same arguments, and its waiter gets the result",
    ({ set, delete: remove }) => ({
      async set(entries) {
        const held = await set(entries);
        await remove(
          entries
            .filter(({ key, value }) => key.startsWith("filter:") && value.startsWith("done "))
            .map(({ key }) => key),
        );
        return held;
      },
    }),
  ),
  "keeps filter keys for ever": storeFault("a task is filtered for as long as its ttl", setting("filter:", forEver)),
  "forgets what was published": storeFault(
    "what was published with the same arguments is not published again",
    setting("filter:", unconditional),
  ),
  "reserves each moment twice": {
    ...storeFault("a global qps is one limit for all processes", reservingTwice),
    durable: true,
  },
  "reserves nothing": {
    ...storeFault("a global qps is one limit for all processes", () => ({
      reserve: async (_, { count }) => ({
        starts: Array.from({ length: count }, (_, number) => ({ waitMs: 0, number })),
        nextMs: 0,
      }),
    })),
    durable: true,
  },
  "loses every second row": storeFault(
    "records tell how each task ended, newest first, by status, time and text",
    losingRows,
  ),
  "tells nobody of a cancel": storeFault(
    "a running task sees its cancel, ends as cancelled and is not retried",
    ({ list }) => ({
      list: {
        ...list,
        read: async (key, from, limit) => (key.startsWith("cancels:") ? [] : list.read(key, from, limit)),
      },
    }),
  ),
  "forgets live limits": storeFault(
    "setConcurrency and setQps are in force within a second, until they are taken back",
    dropping("live:"),
  ),
  "counts from one again": storeFault("a store that fails: a requeue is counted when it is back", () => ({
    increment: async (counters) => counters.map(({ by }) => by),
  })),
  "counts every run twice": storeFault("info and stats tell what has run, and what waits", ({ increment }) => ({
    increment: (counters) => increment(counters.map((each) => ({ ...each, by: 2 * each.by }))),
  })),
  "keeps no results": storeFault("waitResult gives the value as it was returned", ({ results }) => ({
    results: { ...results, put: async () => {} },
  })),
  "answers with the result of another": storeFault("three hundred results are waited for at once", ({ results }) => {
    let last: string | undefined;
    const mixed: Store["results"] = {
      ...results,
      async put(queue, all) {
        const before = last;
        last = all.at(-1)?.outcome;
        await results.put(queue, before === undefined ? all : all.map((each) => ({ ...each, outcome: before })));
      },
    };
    return { results: mixed };
  }),
  "believes whoever ends last": {
    ...storeFault("the result of a run that ended in time stands, whatever a late one says", ({ results }) => ({
      results: {
        ...results,
        async put(queue, all) {
          await results.delete(
            queue,
            all.map(({ id }) => id),
          );
          await results.put(queue, all);
        },
      },
    })),
    durable: true,
  },
  "forgets that a queue was cleared": storeFault(
    "what clear() removed is said to be cleared, to all who wait; what runs is not",
    dropping("cleared:"),
  ),
  "keeps no progress": storeFault("progress is seen from outside while the task runs", dropping("progress:")),
  "gives a lease to whoever asks": storeFault(
    "a store that fails: a lock is held by one, lost at its ttl, and free afterwards",
    () => ({
      lease: async () => ({ fence: 1 }),
    }),
  ),
  "never lets go of a lease": storeFault(
    "a store that hangs: a lock is held by one, lost at its ttl, and free afterwards",
    ({ lease }) => ({
      lease: (name, owner, _, ...fence) => lease(name, owner, 86_400_000, ...fence),
      release: async () => {},
    }),
  ),
  "loses timers": emulatedFault("hundreds of delayed messages all arrive, once", ({ timers }) => {
    let n = 0;
    return {
      timers: {
        ...timers,
        add: (entries) => timers.add(entries.filter(() => ++n % 10 > 0)),
      },
    };
  }),
  "clears no timers": emulatedFault("clear removes what is delayed", ({ timers }) => ({
    timers: { ...timers, clear: async () => {} },
  })),
  "forgets a pause": emulatedFault("a paused queue starts nothing, and resume() goes on", dropping("paused:")),
  "forgets known ids": emulatedFault(
    "a task id that is published twenty times at once is published once",
    setting("known:", unconditional),
  ),
} satisfies Record<string, Fault>;
