/** Priorities for brokers without them: five levels, each a lane. The second is the main queue, for what has none. */
import type { Broker } from "../contract/index.ts";
import { withLanes } from "./lanes.ts";

/** The lowest priority of each level above the main queue. */
const levels = [
  { suffix: ".p3", from: 1 },
  { suffix: ".p4", from: 10 },
  { suffix: ".p5", from: 100 },
];

/** Messages of one level keep their order: 1 to 9 are one level, so are 10 to 99, 100 and above, and all below 0. */
export function withPriority(broker: Broker): Broker {
  return withLanes(broker, "priority", [
    { suffix: ".p1", rank: -1, takes: ({ priority = 0 }) => priority < 0 },
    ...levels.map(({ suffix, from }) => ({
      suffix,
      rank: from,
      takes: ({ priority = 0 }: { readonly priority?: number }) => priority >= from,
    })),
  ]);
}
