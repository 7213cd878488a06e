/** Memory without a store, that keeps results itself as an engine such as Temporal does: what the core hands it, and nothing more. */
import { memory } from "../../adapters/memory/broker.ts";
import { sleep } from "../../src/base/clock.ts";
import type { Broker, BrokerQueue, Ended, Features, Handler, ResultOptions } from "../../src/contract/index.ts";

export function nativeResults(): Broker & { readonly features: Features } {
  const inner = memory();
  return {
    name: "native-results",
    features: inner.features,
    open: async (spec) => keeping(await inner.open(spec)),
    close: inner.close,
  };
}

function keeping(queue: BrokerQueue): BrokerQueue {
  const ends = new Map<string, Ended>();
  const known = new Set<string>();
  return {
    ...queue,
    async publish(messages) {
      const published = await queue.publish(messages);
      for (const { id, existing } of published) {
        known.add(id);
        if (!existing) ends.delete(id); // another life of a cancelled one
      }
      return published;
    },
    consume: (handler, options) => queue.consume(keepEnds(ends, handler), options),
    async clear() {
      const open = [...known].filter((id) => !ends.has(id));
      const states = await Promise.all(open.map((id) => queue.state?.(id)));
      await queue.clear?.();
      for (const [i, id] of open.entries())
        if (states[i] !== "running")
          ends.set(id, { status: "cancelled", error: { name: "Error", message: "cleared", code: "CLEARED" } });
    },
    async cancel(ids) {
      const removed = (await queue.cancel?.(ids)) ?? [];
      for (const id of removed) ends.set(id, { status: "cancelled" });
      return removed;
    },
    async result(id, { signal, facts }: ResultOptions) {
      while (signal && !signal.aborted && known.has(id) && !ends.has(id)) await sleep(5, { signal });
      const ended = ends.get(id);
      return ended && (facts || ended.status !== "done" ? ended : bare(ended));
    },
  };
}

/** As JSON, as a server would keep it. A settlement without a record must not exist where the queue has `result`. */
function keepEnds(ends: Map<string, Ended>, handler: Handler): Handler {
  return async (delivery) => {
    const settlement = await handler(delivery);
    if (settlement.outcome !== "done" && settlement.outcome !== "failed") return settlement;
    if (!settlement.record) throw new Error(`settled as ${settlement.outcome} without a record`);
    const result = settlement.outcome === "done" ? { result: settlement.result } : {};
    ends.set(delivery.id, JSON.parse(JSON.stringify({ ...settlement.record, ...result })));
    return settlement;
  };
}

/** What costs another call is left out unless it is asked for. */
function bare({ status, result, lostAt, error }: Ended): Ended {
  return {
    status,
    ...(result === undefined ? {} : { result }),
    ...(lostAt === undefined ? {} : { lostAt }),
    ...(error && { error }),
  };
}
