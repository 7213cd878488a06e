/** The span `fetch`: one after the other while the window is open. Deliveries of one tick are one fetch. */
import { clock, setImmediate } from "../base/clock.ts";
import { type Fields, fetching, isWatched } from "../base/events.ts";
import type { Delivery } from "../contract/broker.ts";

export interface FetchEvents {
  setWindow(n: number): void;
  onDelivery(delivery: Delivery): void;
  onError(error: Error): void;
}

interface State {
  readonly where: Fields;
  window: number;
  /** What has come in this tick. */
  ids: string[];
  /** The fetch under way. */
  open: { readonly fields: Fields; readonly from: number } | undefined;
}

export function createFetchEvents(where: Fields): FetchEvents {
  const state: State = { where, window: 0, ids: [], open: undefined };
  return {
    setWindow(n) {
      state.window = n;
      if (n > 0) return begin(state);
      flush(state);
      end(state, { count: 0, ids: [] });
    },
    onDelivery({ id }) {
      begin(state);
      if (state.ids.push(id) === 1) setImmediate(flush, state);
    },
    onError(error) {
      begin(state, true);
      end(state, { error });
    },
  };
}

/** `always`: with a closed window too. */
function begin(state: State, always = false): void {
  const { where, window, open } = state;
  if (open || (window === 0 && !always) || !isWatched(fetching)) return;
  state.open = { fields: { ...where, window }, from: clock.monotonic() };
  fetching.start.publish(state.open.fields);
}

function end(state: State, learnt: Fields): void {
  if (!state.open) return;
  const { fields, from } = state.open;
  state.open = undefined;
  const channel = learnt.error ? fetching.error : fetching.end;
  channel.publish(Object.assign(fields, { ...learnt, elapsedMs: clock.monotonic() - from }));
  begin(state);
}

function flush(state: State): void {
  const { ids } = state;
  if (ids.length === 0) return;
  state.ids = [];
  end(state, { count: ids.length, ids });
}
