/** A store whose calls have a deadline, tell whether it answers, travel together, and are events. */

import { lateError, undoIfLate, whenLate, wrapCalls } from "../base/deadline.ts";
import { inSpan, isWatched, storing } from "../base/events.ts";
import type { Store } from "../contract/store.ts";
import { coalescedStore } from "./coalesced.ts";
import { type HealthRecord, healthOf, shareHealth } from "./health.ts";

/** A store answers in milliseconds: what waits for it goes on this long after a call whose answer was lost. */
const storeCallMs = 10_000;

const guards = new WeakMap<Store, Store>();
/** Of each guard the one whose calls of one tick are sent in their order. */
const ordered = new WeakMap<Store, Store>();

const calls = ["now", "get", "set", "delete", "increment", "reserve", "lease", "release", "expire", "notify"] as const;

/** One for each store, however many brokers use it: an outage is one. */
export function guardedStore(store: Store): Store {
  const known = guards.get(store) ?? createGuard(store);
  guards.set(store, known);
  return known;
}

/** A guarded store, whose joined calls overtake others, and are overtaken, without these. */
export function inOrder(guard: Store): Store {
  return ordered.get(guard) ?? guard;
}

function createGuard(store: Store): Store {
  const health = healthOf(store);
  const where = `${store.name} store`;
  const wrap =
    (part = "") =>
    (work: () => Promise<unknown>, name: string) => {
      const call = `${part}${name}`;
      const inEvents = isWatched(storing) ? () => inSpan(storing, { store: store.name, call }, work) : work;
      return callStore(inEvents, health, `${call}()`, where);
    };
  const subscribe: Store["subscribe"] = (...how) => {
    const coming = store.subscribe(...how);
    return undoIfLate(wrap()(() => coming, "subscribe") as typeof coming, coming, (stop) => stop());
  };
  const guarded: Store = {
    ...wrapCalls(store, calls, wrap()),
    subscribe,
    timers: wrapCalls(store.timers, ["add", "lease", "ack", "remove", "read", "count", "clear"], wrap("timers.")),
    list: wrapCalls(store.list, ["append", "read"], wrap("list.")),
    map: wrapCalls(store.map, ["put", "get", "read", "remove"], wrap("map.")),
    index: wrapCalls(store.index, ["put", "remove", "read", "count"], wrap("index.")),
    results: wrapCalls(store.results, ["put", "get", "delete"], wrap("results.")),
  };
  const guard = coalescedStore(guarded);
  ordered.set(guard, guarded);
  for (const each of [guarded, guard]) shareHealth(store, each);
  return guard;
}

/** By hand instead of with `deadline()`: a call for each run that waits for a result, and each promise counts. */
function callStore<T>(work: () => Promise<T>, health: HealthRecord, what: string, where: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      cancel();
      reject(health.recordError(error));
    };
    const cancel = whenLate(storeCallMs, () => fail(lateError(what, storeCallMs, "its server", where)));
    try {
      work().then((answer) => {
        cancel();
        health.recordAnswer();
        resolve(answer);
      }, fail);
    } catch (error) {
      fail(error); // a store of somebody's own may throw at once
    }
  });
}
