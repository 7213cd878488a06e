/** What a consumer tells of its engine to those who listen: fetches, settlements, deliveries that were lost with their process. */
import { clock } from "../base/clock.ts";
import { FunboostError } from "../base/errors.ts";
import { type Fields, fetching, isWatched, points, settling, tell } from "../base/events.ts";
import { createForgetfulMap } from "../base/forgetful-map.ts";
import type { Delivery, Handler, Settlement } from "../contract/broker.ts";

export interface ConsumerEvents {
  handle(delivery: Delivery, handler: Handler): Promise<Settlement>;
  setWindow(n: number): void;
  settled(delivery: Delivery, how: "applied" | "stale"): void;
  trouble(error: Error): void;
  closed(): void;
}

/** The last ones of which it was told. */
const mostCrashed = 1_000;

/** Costs a look at a few flags while nobody listens. */
export function createConsumerEvents(where: Fields): ConsumerEvents {
  const fetches = createFetches(where);
  const settlements = createSettlements(where);
  const crashed = createCrashes(where);
  return {
    handle(delivery, handler) {
      if (delivery.crashes) crashed(delivery);
      if (isWatched(fetching)) fetches.came(delivery);
      const settlement = handler(delivery);
      return isWatched(settling) ? settlements.started(delivery, settlement) : settlement;
    },
    setWindow: fetches.setWindow,
    settled(delivery, how) {
      if (isWatched(settling) || settlements.open()) settlements.settled(delivery, how);
    },
    trouble: fetches.trouble,
    closed() {
      fetches.setWindow(0);
      settlements.closed();
    },
  };
}

/** One after the other while the window is open. Deliveries of one tick are one fetch. */
function createFetches(where: Fields) {
  let open: { readonly fields: Fields; readonly from: number } | undefined;
  let window = 0;
  let ids: string[] = [];
  const begin = (anyway = false) => {
    if (open || (window === 0 && !anyway) || !isWatched(fetching)) return;
    open = { fields: { ...where, window }, from: clock.monotonic() };
    fetching.start.publish(open.fields);
  };
  const end = (learnt: Fields) => {
    if (!open) return;
    const { fields, from } = open;
    open = undefined;
    (learnt.error ? fetching.error : fetching.end).publish(
      Object.assign(fields, { ...learnt, elapsedMs: clock.monotonic() - from }),
    );
    begin();
  };
  const flush = () => {
    if (ids.length === 0) return;
    const came = ids;
    ids = [];
    end({ count: came.length, ids: came });
  };
  return {
    setWindow(n: number) {
      window = n;
      if (n > 0) return begin();
      flush();
      end({ count: 0, ids: [] });
    },
    came({ id }: Delivery) {
      begin();
      if (ids.push(id) === 1) setImmediate(flush);
    },
    trouble(error: Error) {
      begin(true);
      end({ error });
    },
  };
}

function createSettlements(where: Fields) {
  const pending = new Map<Delivery, { readonly fields: Fields; readonly from: number }>();
  const early = new WeakSet<Delivery>();
  const start = ({ id: taskId, attempt }: Delivery) => {
    const fields: Fields = { ...where, taskId, attempt };
    settling.start.publish(fields);
    return { fields, from: clock.monotonic() };
  };
  return {
    open: () => pending.size > 0,
    async started(delivery: Delivery, settlement: Promise<Settlement>): Promise<Settlement> {
      const settled = await settlement;
      if (!early.has(delivery)) pending.set(delivery, start(delivery));
      return settled;
    },
    settled(delivery: Delivery, outcome: "applied" | "stale") {
      if (!pending.has(delivery)) early.add(delivery); // lost while it ran
      const { fields, from } = pending.get(delivery) ?? start(delivery);
      pending.delete(delivery);
      settling.end.publish(Object.assign(fields, { outcome, settleMs: clock.monotonic() - from }));
    },
    closed() {
      const error = new FunboostError(
        "SHUT_DOWN",
        "the consumer closed before the engine had carried it out: the task may run again.",
      );
      for (const { fields, from } of pending.values())
        settling.error.publish(Object.assign(fields, { settleMs: clock.monotonic() - from, error }));
      pending.clear();
    },
  };
}

/** Once for each loss: a delivery that is put away and comes back still carries the count. */
function createCrashes(where: Fields): (delivery: Delivery) => void {
  const reported = createForgetfulMap<string, number>(mostCrashed);
  return ({ id: taskId, attempt, crashes = 0 }) => {
    if (crashes <= (reported.get(taskId) ?? 0)) return;
    reported.set(taskId, crashes);
    tell(points.crashed, () => ({ ...where, taskId, attempt, crashes }));
  };
}
