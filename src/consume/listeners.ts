/** What an engine tells its consumer: a delivery, a settlement carried out, trouble. */
import type { BrokerQueue } from "../contract/broker.ts";
import type { ConsumerState } from "./state.ts";

const tooLate =
  "a run ended too late to count: its lease was lost, or its message removed; the task may run twice. " +
  "Does it block the event loop for seconds?";

export function listenersOf({ task, slots, trouble, events }: ConsumerState): Parameters<BrokerQueue["consume"]> {
  const { options, log, store, queue } = task;
  return [
    (delivery) => {
      trouble.over();
      return events.handle(delivery, slots.handle);
    },
    {
      signal: store === undefined && queue.askToEnd !== undefined, // else the store tells of cancels
      onSettled(delivery, how) {
        events.onSettled(delivery, how);
        slots.settled(delivery);
        if (how === "stale") log.warn({ queue: options.queue, taskId: delivery.id }, tooLate);
      },
      onError(error) {
        events.onError(error);
        trouble.report(error);
      },
    },
  ];
}
