/** Store calls of one tick travel together: one call, one deadline and few promises for all who ask. */
import { createTickBatches } from "../base/tick-batches.ts";
import type { Store } from "../contract/store.ts";

/** Small enough for one transaction, large enough to be cheap. */
const most = 1_000;

interface Asking<Item, Answer> {
  readonly items: readonly Item[];
  readonly resolve: (answers: readonly Answer[]) => void;
  readonly reject: (error: unknown) => void;
}

type ListCall<Item, Answer> = (items: readonly Item[]) => Promise<readonly Answer[]>;

/** The same call; a list must not change before it is answered. Fails for all who asked: each tries again by itself. */
export function coalesce<Item, Answer>(call: ListCall<Item, Answer>): ListCall<Item, Answer> {
  const add = createTickBatches<Asking<Item, Answer>>({
    size: most,
    send(askers) {
      const all: Item[] = [];
      for (const { items } of askers) for (const item of items) all.push(item);
      answerAll(async () => call(all), askers);
    },
  });
  return (items) => new Promise((resolve, reject) => add({ items, resolve, reject }, items.length));
}

function answerAll<Item, Answer>(
  call: () => Promise<readonly Answer[]>,
  askers: readonly Asking<Item, Answer>[],
): void {
  call().then(
    (answers) => {
      let from = 0;
      for (const { items, resolve } of askers) {
        const to = from + items.length;
        resolve(items.length === answers.length ? answers : answers.slice(from, to));
        from = to;
      }
    },
    (error: unknown) => {
      for (const { reject } of askers) reject(error);
    },
  );
}

/** The same store, with those calls joined that a run makes, but for what is written at once anyway. */
export function coalescedStore(store: Store): Store {
  const puts = new Map<string, Store["results"]["put"]>();
  const put: Store["results"]["put"] = (queue, results) => {
    const known = puts.get(queue) ?? joinedPut(store, queue);
    puts.set(queue, known);
    return known(queue, results);
  };
  return {
    ...store,
    get: coalesce((keys) => store.get(keys)),
    set: store.set.atOnce ? store.set : coalesce((entries) => store.set(entries)),
    results: store.results.put.atOnce ? store.results : { ...store.results, put },
  };
}

function joinedPut(store: Store, queue: string): Store["results"]["put"] {
  const put = coalesce<Parameters<Store["results"]["put"]>[1][number], void>(async (results) => {
    await store.results.put(queue, results);
    return [];
  });
  return async (_, results) => void (await put(results));
}
