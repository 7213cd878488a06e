/** Deadlines around the calls to an engine: none may hang its caller for ever. */
import { clock } from "./clock.ts";
import type { BrokerQueue } from "./contract/broker.ts";
import type { Store } from "./contract/store.ts";
import { FunboostError } from "./errors.ts";

const callMs = 30_000;

/** Rejects with BROKER_DOWN when `work` takes longer than `ms`. The timer keeps the process alive while the call is under way. */
export function deadline<T>(work: Promise<T>, ms: number, what: string, where: string, address?: string): Promise<T> {
  const server = address === undefined ? "the server" : `the server at ${address}`;
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () =>
      reject(new FunboostError("BROKER_DOWN", `${what} was not answered within ${ms} ms. Is ${server} up and reachable?`, { where })),
    );
    work.then(resolve, reject).finally(cancel);
  });
}

type Call = (...args: never[]) => Promise<unknown>;

/** The same object, with a deadline around each of the named calls that it has. */
function within<T extends object>(target: T, names: readonly (keyof T & string)[], where: string): T {
  const wrapped: Record<string, unknown> = { ...(target as Record<string, unknown>) };
  for (const name of names) {
    const call = target[name] as Call | undefined;
    if (call) wrapped[name] = (...args: never[]) => deadline(call.apply(target, args), callMs, `${name}()`, where);
  }
  return wrapped as T;
}

/** `publish` has its own deadline, from `publishTimeout`; results wait as long as their caller. */
export function observedQueue(queue: BrokerQueue, where: string): BrokerQueue {
  return within(queue, ["count", "clear", "peek", "setPaused", "paused", "cancel", "state", "reschedule"], where);
}

export function observedStore(store: Store): Store {
  const where = `${store.name} store`;
  return {
    ...within(store, ["get", "set", "delete", "increment", "reserve", "lease", "release", "notify", "subscribe"], where),
    timers: within(store.timers, ["add", "lease", "ack", "remove", "count", "clear"], where),
    list: within(store.list, ["append", "read"], where),
    results: within(store.results, ["put", "get", "delete"], where),
  };
}
