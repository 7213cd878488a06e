/** A queue under test, consumed with every delivery written down. */

import { memoryStore } from "../../../adapters/memory/store.ts";
import type { Broker, BrokerQueue, Consumer, Delivery, Settlement } from "../../../src/contract/index.ts";
import { withAhead } from "../../../src/emulation/ahead.ts";
import { withDelay } from "../../../src/emulation/delay.ts";
import { withIds } from "../../../src/emulation/ids.ts";
import { withPriority } from "../../../src/emulation/priority.ts";
import { withRetry } from "../../../src/emulation/retry.ts";
import { bareBroker } from "../../support/bare-broker.ts";

/** A broker with nothing of its own, and all lanes. */
export const withAllLanes = () => withPriority(withAhead(withRetry(withDelay(withIds(bareBroker()), memoryStore()))));
export const v = (value: unknown, more: object = {}) => ({ body: { v: value }, ...more });
export const done: Settlement = { outcome: "done" };
export const spec = (queue: string) => ({ queue, options: {}, leaseMs: 1_000 });

export interface Seen {
  readonly got: Delivery[];
  readonly settled: string[];
  readonly errors: string[];
  readonly consumer: Consumer;
  readonly peak: () => number;
}

type Handle = (delivery: Delivery) => Settlement | Promise<Settlement>;

export async function consume(queue: BrokerQueue, handle: Handle = () => done): Promise<Seen> {
  const got: Delivery[] = [];
  const settled: string[] = [];
  const errors: string[] = [];
  let running = 0;
  let peak = 0;
  const consumer = await queue.consume(
    async (delivery) => {
      got.push(delivery);
      peak = Math.max(peak, ++running);
      try {
        return await handle(delivery);
      } finally {
        running--;
      }
    },
    {
      signal: false,
      onSettled: ({ id }, how) => settled.push(`${id} ${how}`),
      onError: (error) => errors.push(error.message),
    },
  );
  return { got, settled, errors, consumer, peak: () => peak };
}

/** What the test published, out of the text that came back. */
export function written({ body }: { readonly body: unknown }): unknown {
  return (JSON.parse(String(body)) as { v: unknown }).v;
}

/** A broker whose publish fails while `failing.next` says how. */
export function flaky(broker: Broker, failing: { next?: Error | undefined; before?: () => void }): Broker {
  return {
    ...broker,
    open: async (opened) => {
      const queue = await broker.open(opened);
      return {
        ...queue,
        publish: async (messages) => {
          failing.before?.();
          if (failing.next) throw failing.next;
          return queue.publish(messages);
        },
      };
    },
  };
}
