/** Deadlines around the calls to an engine: none may hang its caller for ever. */
import { clock } from "./clock.ts";
import type { BrokerQueue } from "./contract/broker.ts";
import { FunboostError } from "./errors.ts";

const callMs = 30_000;

/** Rejects with BROKER_DOWN when `work` takes longer than `ms`. The timer keeps the process alive while the call is under way. */
export function deadline<T>(work: Promise<T>, ms: number, what: string, where: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(new FunboostError("BROKER_DOWN", `${what} was not answered within ${ms} ms. Is the server up and reachable?`, { where })));
    work.then(resolve, reject).finally(cancel);
  });
}

type Call = (...args: never[]) => Promise<unknown>;

/** Wraps a queue's calls with named deadlines. `publish` has its own, from `publishTimeout`; results wait as long as their caller. */
export function observed(queue: BrokerQueue, where: string): BrokerQueue {
  const wrapped: Record<string, unknown> = { ...queue };
  for (const name of ["count", "clear", "peek", "setPaused", "paused", "cancel", "state", "reschedule"] as const) {
    const call = queue[name] as Call | undefined;
    if (call) wrapped[name] = (...args: never[]) => deadline(call.apply(queue, args), callMs, `${name}()`, where);
  }
  return wrapped as unknown as BrokerQueue;
}
