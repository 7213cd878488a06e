/** Follows what is changed while tasks run: a notice tells at once, a poll makes sure. */

import { clock, repeat } from "../base/clock.ts";
import { FunboostError, isFunboostError, toError } from "../base/errors.ts";
import { readStored } from "../base/json.ts";
import type { Store } from "../contract/store.ts";
import type { Qps } from "../options/qps.ts";
import type { OpenQueue } from "../setup/model.ts";
import { type CancelledIds, createCancelledIds } from "./cancelled-ids.ts";
import { liveChannel, liveKeys, livePollMs } from "./live-keys.ts";

export interface LiveTarget {
  setQps(qps: Qps | undefined): void;
  setConcurrency(n: number | undefined): void;
  hold(ms: number): void;
  cancel(id: string): void;
  /** The store's notices are lost, and the poll is all there is; or they are back. */
  switched(to: "poll" | "notices"): void;
}

export interface Live {
  readonly cancelled: CancelledIds["has"];
  stop(): Promise<void>;
}

/** Resolves when all that is kept has been applied: before the first fetch. */
export async function watchLive(
  { store, scope }: OpenQueue,
  target: LiveTarget,
  onError: (error: unknown) => void,
): Promise<Live> {
  if (!store) return { cancelled: () => false, stop: async () => {} };
  const { qps, concurrency, hold } = liveKeys(scope);
  const cancels = createCancelledIds(store, scope, target.cancel);
  const apply = applyChanges(target);
  const refresh = async () => {
    const [texts] = await Promise.all([store.get([qps, concurrency, hold]), cancels.refresh()]);
    apply(texts);
  };
  const listen = () => hear(store, scope, target, () => refresh().catch(onError));
  const unsubscribe = await refresh()
    .then(listen)
    .catch((cause: unknown) => {
      throw isFunboostError(cause) ? cause : unanswered(store, cause);
    });
  const stopPolling = repeat(livePollMs, refresh, onError);
  return {
    cancelled: cancels.has,
    async stop() {
      unsubscribe();
      await stopPolling();
    },
  };
}

function unanswered(store: Store, cause: unknown): FunboostError {
  const text = `the store does not answer: ${toError(cause).message}`;
  return new FunboostError("BROKER_DOWN", text, { where: store.name, cause });
}

/** Limits as they change; a hold at each look. */
function applyChanges(target: LiveTarget): (texts: readonly (string | undefined)[]) => void {
  const seen = new Map<string, string | undefined>();
  const isNew = (name: string, text: string | undefined) => {
    if (seen.has(name) ? seen.get(name) === text : text === undefined) return false;
    seen.set(name, text);
    return true;
  };
  return ([qps, concurrency, hold]) => {
    if (isNew("qps", qps)) target.setQps(readStored<Qps>(qps));
    if (isNew("concurrency", concurrency))
      target.setConcurrency(concurrency === undefined ? undefined : Number(concurrency));
    // Clocks may differ: no longer than until the next look.
    if (hold !== undefined) target.hold(Math.min(2 * livePollMs, Number(hold) - clock.now()));
  };
}

function hear(store: Store, scope: string, target: LiveTarget, refresh: () => Promise<void>): Promise<() => void> {
  const onNotice = (text: string) => {
    if (text.startsWith("hold ")) target.hold(Number(text.slice(5)));
    else void refresh();
  };
  return store.subscribe(liveChannel(scope), onNotice, (to) => {
    target.switched(to);
    if (to === "notices") void refresh(); // what was told meanwhile is lost
  });
}
