/**
 * The broker of a case that meets only core and store: it carries messages, and whatever else is asked of its queues
 * fails the case.
 */
import assert from "node:assert/strict";
import type { Broker, BrokerQueue, Features } from "../../src/contract/index.ts";

/** Publish, consume and settle; `maintain` is the core's own upkeep, whatever a case does. */
const carried = ["publish", "consume", "close", "maintain"];

/** What an engine may do by itself, and is not to do here. */
const without = (features: Features): Features => ({ ...features, pause: false, results: false, exactCount: false });

export function carrier(broker: Broker): Broker {
  const open: Broker["open"] = async (spec) => carrierQueue(await broker.open(spec));
  return { ...broker, features: without(broker.features), open };
}

function carrierQueue({ count: _, ...queue }: BrokerQueue): BrokerQueue {
  // Without count(): the core samples what waits, and refuses whoever else asks. The others it would do without.
  const refused = Object.entries(queue)
    .filter(([name, member]) => typeof member === "function" && !carried.includes(name))
    .map(([name]) => [name, async () => assert.fail(`a case with "engine: false" asked the engine for ${name}()`)]);
  return { ...queue, features: without(queue.features), ...(Object.fromEntries(refused) as Partial<BrokerQueue>) };
}
