/** What can be changed while tasks run, from any process: limits, a hold, cancels. Kept in the store; a notice tells at once, a poll makes sure. */

import { clock } from "../base/clock.ts";
import { needsStore } from "../base/errors.ts";
import type { Store } from "../contract/store.ts";
import { checkQps, type Qps } from "../options/qps.ts";
import { checkConcurrency } from "../options/task-checks.ts";
import type { OpenQueue } from "../setup/model.ts";

/** With its jitter below the 500 ms in which a change is in force. */
export const pollMs = 300;

export const keysOf = (scope: string) => {
  const name = encodeURIComponent(scope);
  return { qps: `live:qps:${name}`, concurrency: `live:concurrency:${name}`, hold: `live:hold:${name}` };
};
export const channelOf = (scope: string) => `live:${encodeURIComponent(scope)}`;

function storeOf({ store, brokerName }: OpenQueue, option: string): Store {
  if (!store) throw needsStore(brokerName, option);
  return store;
}

async function change(task: OpenQueue, option: "qps" | "concurrency", value: unknown): Promise<void> {
  const store = storeOf(task, option === "qps" ? "setQps()" : "setConcurrency()");
  const key = keysOf(task.scope)[option];
  if (value === null) await store.delete([key]);
  else await store.set([{ key, value: JSON.stringify(value) }]);
  await store.notify(channelOf(task.scope), option);
}

/** For all processes, now and later, until it is set to null: then the code's own value holds again. */
export async function setLiveQps(task: OpenQueue, qps: Qps | null): Promise<void> {
  if (qps !== null) checkQps(qps, "qps");
  await change(task, "qps", qps);
}

export async function setLiveConcurrency(task: OpenQueue, concurrency: number | null): Promise<void> {
  if (concurrency !== null) checkConcurrency(concurrency, "concurrency");
  await change(task, "concurrency", concurrency);
}

/** Where `qps` is global all processes hold. A shorter hold does not end a longer one. */
export async function holdAll({ options, store, scope }: OpenQueue, ms: number): Promise<void> {
  if (options.qpsScope === "process" || !store) return;
  const key = keysOf(scope).hold;
  const until = clock.now() + ms;
  const [known] = await store.get([key]);
  if (known === undefined || Number(known) < until) await store.set([{ key, value: String(until), ttlMs: ms }]);
  await store.notify(channelOf(scope), `hold ${ms}`);
}

export async function tellCancel({ store, scope }: OpenQueue): Promise<void> {
  await store?.notify(channelOf(scope), "cancel");
}

/** What has been set for all processes, and not taken back. */
export interface LiveLimits {
  readonly qps?: Qps;
  readonly concurrency?: number;
}

export async function readLive(store: Store, scope: string): Promise<LiveLimits> {
  const keys = keysOf(scope);
  const [qps, concurrency] = await store.get([keys.qps, keys.concurrency]);
  return {
    ...(qps === undefined ? {} : { qps: JSON.parse(qps) as Qps }),
    ...(concurrency === undefined ? {} : { concurrency: Number(concurrency) }),
  };
}
