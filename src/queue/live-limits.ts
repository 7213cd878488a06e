/** What can be changed while tasks run, from any process: limits, a hold, cancels. Kept in the store; a notice tells at once, a poll makes sure. */

import { clock, repeat } from "../base/clock.ts";
import { durationMs } from "../base/duration.ts";
import { FunboostError, isFunboostError, toError } from "../base/errors.ts";
import type { Store } from "../contract/store.ts";
import { checkQps, type Qps } from "../options/qps.ts";
import { checkConcurrency } from "../options/task-checks.ts";
import { needsStore } from "../setup/features.ts";
import type { Runtime } from "../setup/open.ts";
import { type Cancels, createCancels } from "./cancelled-ids.ts";

/** With its jitter below the 500 ms in which a change is in force. */
const pollMs = 300;

const keysOf = (scope: string) => {
  const name = encodeURIComponent(scope);
  return { qps: `live:qps:${name}`, concurrency: `live:concurrency:${name}`, hold: `live:hold:${name}` };
};
const channelOf = (scope: string) => `live:${encodeURIComponent(scope)}`;

function storeOf({ store, brokerName }: Runtime, option: string): Store {
  if (!store) throw needsStore(brokerName, option);
  return store;
}

async function change(runtime: Runtime, option: "qps" | "concurrency", value: unknown): Promise<void> {
  const store = storeOf(runtime, option === "qps" ? "setQps()" : "setConcurrency()");
  const key = keysOf(runtime.scope)[option];
  if (value === null) await store.delete([key]);
  else await store.set([{ key, value: JSON.stringify(value) }]);
  await store.notify(channelOf(runtime.scope), option);
}

/** For all processes, now and later, until it is set to null: then the code's own value holds again. */
export async function setLiveQps(runtime: Runtime, qps: Qps | null): Promise<void> {
  if (qps !== null) checkQps(qps, "qps");
  await change(runtime, "qps", qps);
}

export async function setLiveConcurrency(runtime: Runtime, concurrency: number | null): Promise<void> {
  if (concurrency !== null) checkConcurrency(concurrency, "concurrency");
  await change(runtime, "concurrency", concurrency);
}

/** Where `qps` is global all processes hold. A shorter hold does not end a longer one. */
export async function holdAll({ options, store, scope }: Runtime, ms: number): Promise<void> {
  if (options.qpsScope === "process" || !store) return;
  const key = keysOf(scope).hold;
  const until = clock.now() + ms;
  const [known] = await store.get([key]);
  if (known === undefined || Number(known) < until) await store.set([{ key, value: String(until), ttlMs: ms }]);
  await store.notify(channelOf(scope), `hold ${ms}`);
}

export async function tellCancel({ store, scope }: Runtime): Promise<void> {
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

export interface LiveTarget {
  setQps(qps: Qps | undefined): void;
  setConcurrency(n: number | undefined): void;
  hold(ms: number): void;
  cancel(id: string): void;
  /** The store's notices are lost, and the poll is all there is; or they are back. */
  switched(to: "poll" | "notices"): void;
}

export interface Live {
  readonly cancelled: Cancels["has"];
  stop(): Promise<void>;
}

/** Resolves when all that is kept has been applied: before the first fetch. */
export async function watchLive(
  { store, scope }: Runtime,
  target: LiveTarget,
  onError: (error: unknown) => void,
): Promise<Live> {
  if (!store) return { cancelled: () => false, stop: async () => {} };
  const keys = keysOf(scope);
  const cancels = createCancels(store, scope, target.cancel);
  const seen = new Map<string, string | undefined>();
  const apply = (name: string, text: string | undefined, use: (text: string | undefined) => void) => {
    if (seen.has(name) ? seen.get(name) === text : text === undefined) return;
    seen.set(name, text);
    use(text);
  };
  const refresh = async () => {
    const [[qps, concurrency, hold]] = await Promise.all([
      store.get([keys.qps, keys.concurrency, keys.hold]),
      cancels.refresh(),
    ]);
    apply("qps", qps, (text) => target.setQps(text === undefined ? undefined : (JSON.parse(text) as Qps)));
    apply("concurrency", concurrency, (text) => target.setConcurrency(text === undefined ? undefined : Number(text)));
    if (hold !== undefined) target.hold(Math.min(2 * pollMs, Number(hold) - clock.now())); // clocks may differ: no longer than until the next look
  };
  const listen = () => hear(store, scope, target, () => refresh().catch(onError));
  const unsubscribe = await refresh()
    .then(listen)
    .catch((cause: unknown) => {
      if (isFunboostError(cause)) throw cause;
      throw new FunboostError("BROKER_DOWN", `the store does not answer: ${toError(cause).message}`, {
        where: store.name,
        cause,
      });
    });
  const stopPolling = repeat(pollMs, refresh, onError);
  return {
    cancelled: cancels.has,
    async stop() {
      unsubscribe();
      await stopPolling();
    },
  };
}

function hear(store: Store, scope: string, target: LiveTarget, refresh: () => Promise<void>): Promise<() => void> {
  const onNotice = (text: string) => {
    if (text.startsWith("hold ")) target.hold(Number(text.slice(5)));
    else void refresh();
  };
  return store.subscribe(channelOf(scope), onNotice, (to) => {
    target.switched(to);
    if (to === "notices") void refresh(); // what was told meanwhile is lost
  });
}

/** The argument of `fct.slowDown()`. */
export function holdMs(value: unknown): number {
  const ms = durationMs(value as number, "slowDown()");
  if (ms === 0)
    throw new FunboostError("BAD_OPTION", 'slowDown() takes a time above 0, such as 2000 (milliseconds) or "30s".');
  return ms;
}
