/** Limits and a hold that any process can set while tasks run: kept in the store, and told by a notice. */

import { clock } from "../base/clock.ts";
import { readStored } from "../base/json.ts";
import type { Store } from "../contract/store.ts";
import { checkQps, type Qps } from "../options/qps.ts";
import { checkConcurrency } from "../options/task-checks.ts";
import type { OpenQueue } from "../setup/model.ts";
import { requireStore } from "../store/require-store.ts";
import { liveChannel, liveKeys } from "./live-keys.ts";

async function change(task: OpenQueue, option: "qps" | "concurrency", value: unknown): Promise<void> {
  const store = requireStore(task, option === "qps" ? "setQps()" : "setConcurrency()");
  const key = liveKeys(task.scope)[option];
  if (value === null) await store.delete([key]);
  else await store.set([{ key, value: JSON.stringify(value) }]);
  await store.notify(liveChannel(task.scope), option);
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
  const key = liveKeys(scope).hold;
  const until = clock.now() + ms;
  const [known] = await store.get([key]);
  if (known === undefined || Number(known) < until) await store.set([{ key, value: String(until), ttlMs: ms }]);
  await store.notify(liveChannel(scope), `hold ${ms}`);
}

/** What has been set for all processes, and not taken back. */
export interface LiveLimits {
  readonly qps?: Qps;
  readonly concurrency?: number;
}

export async function readLive(store: Store, scope: string): Promise<LiveLimits> {
  const keys = liveKeys(scope);
  const [text, concurrency] = await store.get([keys.qps, keys.concurrency]);
  const qps = readStored<Qps>(text);
  return {
    ...(qps === undefined ? {} : { qps }),
    ...(concurrency === undefined ? {} : { concurrency: Number(concurrency) }),
  };
}
