/** A store whose calls have a deadline, tell whether it answers, travel together, and are events. */

import { lateError, undoIfLate, whenLate, wrapCalls } from "../base/deadline.ts";
import { inSpan, isWatched, storing } from "../base/events.ts";
import type { Store } from "../contract/store.ts";
import { coalescedStore } from "./coalesced.ts";
import { type HealthRecord, healthOf, shareHealth } from "./health.ts";

/** A store answers in milliseconds: what waits for it goes on this long after a call whose answer was lost. */
const storeCallMs = 10_000;

const guards = new WeakMap<Store, Store>();

/** One for each store, however many brokers use it: an outage is one. */
export function guardedStore(store: Store): Store {
  const known = guards.get(store) ?? createGuard(store);
  guards.set(store, known);
  return known;
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
  const guard = coalescedStore({
    ...wrapCalls(store, ["now", "get", "set", "delete", "increment", "reserve", "lease", "release", "notify"], wrap()),
    subscribe,
    timers: wrapCalls(store.timers, ["add", "lease", "ack", "remove", "count", "clear"], wrap("timers.")),
    list: wrapCalls(store.list, ["append", "read"], wrap("list.")),
    results: wrapCalls(store.results, ["put", "get", "delete"], wrap("results.")),
  });
  shareHealth(store, guard);
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
