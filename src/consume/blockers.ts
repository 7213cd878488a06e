/** Blocks a consumer, and lets it go on: when it or its queue is paused, when its store is away, when it closes. */
import { points, tell } from "../base/events.ts";
import type { OpenQueue } from "../setup/model.ts";
import { healthOf } from "../store/health.ts";
import type { Blockers } from "./hold-reason.ts";
import type { ConsumerState } from "./state.ts";

export function setBlockers({ blockers, slots, holdReason }: ConsumerState, change: Partial<Blockers>): void {
  Object.assign(blockers, change);
  slots.setMode(Object.values(blockers).includes(true) ? "closed" : "open");
  holdReason?.();
}

export function setQueuePaused(state: ConsumerState, paused: boolean): void {
  const { blockers, where } = state;
  if (paused !== blockers.queuePaused) tell(paused ? points.paused : points.resumed, () => ({ ...where }));
  setBlockers(state, { queuePaused: paused });
}

function needsStore({ options, queue }: OpenQueue): boolean {
  const when = options.filter?.when;
  const keeps = (options.rpc !== undefined || when === "published") && !queue.result;
  return keeps || options.record !== undefined || when === "done" || options.qpsScope === "global";
}

/**
 * While the store is away nothing is fetched whose start it counts or whose end it keeps; the rest goes on.
 * Answers the function that ends the watch.
 */
export function watchStore(state: ConsumerState): () => Promise<void> {
  const { store } = state.task;
  if (!store) return async () => {};
  const health = healthOf(store);
  const isNeeded = () => state.crew.members.some(({ task }) => needsStore(task));
  const onDown = (down: boolean) => setBlockers(state, { storeDown: down && isNeeded() });
  if (health.down) onDown(true);
  const unwatch = health.watch(onDown);
  return async () => unwatch();
}
