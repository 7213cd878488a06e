/** Store calls of one tick travel together: one call, one deadline and few promises for all who ask. */
import type { Store } from "../contract/store.ts";

/** Small enough for one transaction, large enough to be cheap. */
const most = 1_000;

interface Asking<Answer> {
  readonly count: number;
  readonly resolve: (answers: readonly Answer[]) => void;
  readonly reject: (error: unknown) => void;
}

type ListCall<Item, Answer> = (items: readonly Item[]) => Promise<readonly Answer[]>;

/** The same call. When it fails it fails for all who asked with it: each tries again by itself. */
export function coalesce<Item, Answer>(call: ListCall<Item, Answer>): ListCall<Item, Answer> {
  let items: Item[] = [];
  let asking: Asking<Answer>[] = [];
  const flush = () => {
    if (asking.length === 0) return;
    const all = items;
    const askers = asking;
    items = [];
    asking = [];
    answerAll(async () => call(all), askers);
  };
  return (list) =>
    new Promise((resolve, reject) => {
      for (const item of list) items.push(item);
      if (asking.push({ count: list.length, resolve, reject }) === 1) queueMicrotask(flush);
      if (items.length >= most) flush();
    });
}

function answerAll<Answer>(call: () => Promise<readonly Answer[]>, askers: readonly Asking<Answer>[]): void {
  call().then(
    (answers) => {
      let from = 0;
      for (const { count, resolve } of askers) {
        resolve(count === answers.length ? answers : answers.slice(from, from + count));
        from += count;
      }
    },
    (error: unknown) => {
      for (const { reject } of askers) reject(error);
    },
  );
}

/** The same store, with those calls joined that a run makes. */
export function coalescedStore(store: Store): Store {
  const puts = new Map<string, Store["results"]["put"]>();
  return {
    ...store,
    get: coalesce((keys) => store.get(keys)),
    set: coalesce((entries) => store.set(entries)),
    results: {
      ...store.results,
      put(queue, results) {
        const known = puts.get(queue) ?? joinedPut(store, queue);
        puts.set(queue, known);
        return known(queue, results);
      },
    },
  };
}

function joinedPut(store: Store, queue: string): Store["results"]["put"] {
  const put = coalesce<Parameters<Store["results"]["put"]>[1][number], void>(async (results) => {
    await store.results.put(queue, results);
    return [];
  });
  return async (_, results) => void (await put(results));
}
