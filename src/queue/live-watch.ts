/** Follows what is changed while tasks run: a notice tells at once, a poll makes sure. */
import { clock, repeat } from "../base/clock.ts";
import { FunboostError, isFunboostError, toError } from "../base/errors.ts";
import type { Store } from "../contract/store.ts";
import type { Qps } from "../options/qps.ts";
import type { OpenQueue } from "../setup/model.ts";
import { type Cancels, createCancels } from "./cancelled-ids.ts";
import { channelOf, keysOf, pollMs } from "./live-limits.ts";

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
  { store, scope }: OpenQueue,
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
