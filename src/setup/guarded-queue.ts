/** Deadlines around the calls to an engine and a store: none may hang its caller for ever. A store's calls tell whether it answers, and are events. */
import { clock } from "../base/clock.ts";
import { FunboostError } from "../base/errors.ts";
import { inSpan, isWatched, storing } from "../base/events.ts";
import type { BrokerQueue, Consumer } from "../contract/broker.ts";
import type { Store } from "../contract/store.ts";
import { joinedStore } from "../store/coalesced.ts";
import { type HealthRecord, healthOf, shareHealth } from "../store/health.ts";

const callMs = 30_000;
/** A store answers in milliseconds: what waits for it goes on this long after a call whose answer was lost. */
const storeCallMs = 10_000;
/** A process that stood still finds the answer beside its deadline, and reads it first: what was done counts as done. */
const readMs = 100;

/** Rejects with BROKER_DOWN when `work` takes longer than `ms`. The timer keeps the process alive while the call is under way. */
export function deadline<T>(work: Promise<T>, ms: number, what: string, where: string, address?: string): Promise<T> {
  const server = address === undefined ? "the server" : `the server at ${address}`;
  return new Promise((resolve, reject) => {
    const cancel = whenLate(ms, () => reject(unanswered(what, ms, server, where)));
    work.then(resolve, reject).finally(cancel);
  });
}

function whenLate(ms: number, run: () => void): () => void {
  let cancel = clock.after(ms, () => (cancel = clock.after(readMs, run)));
  return () => cancel();
}

function unanswered(what: string, ms: number, server: string, where: string): FunboostError {
  return new FunboostError("BROKER_DOWN", `${what} was not answered within ${ms} ms. Is ${server} up and reachable?`, {
    where,
  });
}

type Call = (...args: never[]) => Promise<unknown>;

/** The same object, with each of the named calls that it has wrapped. */
function wrapped<T extends object>(
  target: T,
  names: readonly (keyof T & string)[],
  wrap: (work: () => Promise<unknown>, name: string) => Promise<unknown>,
): T {
  const copy: Record<string, unknown> = { ...(target as Record<string, unknown>) };
  for (const name of names) {
    const call = target[name] as Call | undefined;
    if (call) copy[name] = (...args: never[]) => wrap(() => call.apply(target, args), name);
  }
  return copy as T;
}

/** `publish` has its own deadline, from `publishTimeout`; a result that is waited for that of its caller. */
export function observedQueue(queue: BrokerQueue, where: string): BrokerQueue {
  const wrap = <T>(work: () => Promise<T>, name: string) => deadline(work(), callMs, `${name}()`, where);
  const calls = wrapped(
    queue,
    ["count", "clear", "peek", "setPaused", "paused", "cancel", "askToEnd", "state", "reschedule"],
    wrap,
  );
  const consume: BrokerQueue["consume"] = (handler, options) => inTime(queue.consume(handler, options), where);
  const ask = queue.result?.bind(queue);
  if (!ask) return { ...calls, consume };
  return {
    ...calls,
    consume,
    result: (id, options) => (options.signal ? ask(id, options) : wrap(() => ask(id, options), "result")),
  };
}

/** A consumer that is there too late is closed: another has taken its place. */
function inTime(opening: Promise<Consumer>, where: string): Promise<Consumer> {
  return orUndone(deadline(opening, callMs, "consume()", where), opening, (late) => late.close({ force: true }));
}

/** What comes after its deadline is undone: nobody else would. */
function orUndone<T>(asked: Promise<T>, coming: Promise<T>, undo: (late: T) => unknown): Promise<T> {
  return asked.catch((error: unknown) => {
    coming.then(undo).catch(() => {});
    throw error;
  });
}

const observed = new WeakMap<Store, Store>();

/** One for each store, however many brokers use it: an outage is one. */
export function observedStore(store: Store): Store {
  const known = observed.get(store) ?? observe(store);
  observed.set(store, known);
  return known;
}

function observe(store: Store): Store {
  const health = healthOf(store);
  const where = `${store.name} store`;
  const wrap =
    (part = "") =>
    (work: () => Promise<unknown>, name: string) => {
      const told = isWatched(storing)
        ? () => inSpan(storing, { store: store.name, call: `${part}${name}` }, work)
        : work;
      return answered(told, health, `${part}${name}()`, where);
    };
  const subscribe: Store["subscribe"] = (...how) => {
    const coming = store.subscribe(...how);
    return orUndone(wrap()(() => coming, "subscribe") as typeof coming, coming, (stop) => stop());
  };
  const seen = joinedStore({
    ...wrapped(store, ["get", "set", "delete", "increment", "reserve", "lease", "release", "notify"], wrap()),
    subscribe,
    timers: wrapped(store.timers, ["add", "lease", "ack", "remove", "count", "clear"], wrap("timers.")),
    list: wrapped(store.list, ["append", "read"], wrap("list.")),
    results: wrapped(store.results, ["put", "get", "delete"], wrap("results.")),
  });
  shareHealth(store, seen);
  return seen;
}

/** By hand instead of with `deadline()`: a call for each run that waits for a result, and each promise counts. */
function answered<T>(work: () => Promise<T>, health: HealthRecord, what: string, where: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      cancel();
      reject(health.failed(error));
    };
    const cancel = whenLate(storeCallMs, () => fail(unanswered(what, storeCallMs, "its server", where)));
    try {
      work().then((answer) => {
        cancel();
        health.worked();
        resolve(answer);
      }, fail);
    } catch (error) {
      fail(error); // a store of somebody's own may throw at once
    }
  });
}
