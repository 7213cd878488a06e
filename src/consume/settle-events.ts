/** The span `settle`: from the end of a run to when its engine has carried the settlement out. */
import { clock } from "../base/clock.ts";
import { FunboostError } from "../base/errors.ts";
import { type Fields, settling } from "../base/events.ts";
import type { Delivery, Settlement } from "../contract/broker.ts";

export interface SettleEvents {
  isOpen(): boolean;
  /** A delivery was handed over, and is settled so. */
  handle(delivery: Delivery, settlement: Promise<Settlement>): Promise<Settlement>;
  onSettled(delivery: Delivery, outcome: "applied" | "stale"): void;
  onClosed(): void;
}

export function createSettleEvents(where: Fields): SettleEvents {
  const open = new Map<Delivery, { readonly fields: Fields; readonly from: number }>();
  const lostEarly = new WeakSet<Delivery>();
  const begin = ({ id: taskId, attempt }: Delivery) => {
    const fields: Fields = { ...where, taskId, attempt };
    settling.start.publish(fields);
    return { fields, from: clock.monotonic() };
  };
  return {
    isOpen: () => open.size > 0,
    async handle(delivery, settlement) {
      const settled = await settlement;
      if (!lostEarly.has(delivery)) open.set(delivery, begin(delivery));
      return settled;
    },
    onSettled(delivery, outcome) {
      if (!open.has(delivery)) lostEarly.add(delivery); // while it ran
      const { fields, from } = open.get(delivery) ?? begin(delivery);
      open.delete(delivery);
      settling.end.publish(Object.assign(fields, { outcome, settleMs: clock.monotonic() - from }));
    },
    onClosed() {
      const error = closedError();
      for (const { fields, from } of open.values())
        settling.error.publish(Object.assign(fields, { settleMs: clock.monotonic() - from, error }));
      open.clear();
    },
  };
}

function closedError(): FunboostError {
  return new FunboostError(
    "SHUT_DOWN",
    "the consumer closed before the engine had carried it out: the task may run again.",
  );
}
