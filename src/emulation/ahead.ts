/** `ahead` for brokers without it: a lane `<queue>.sub`, read before all others. */
import type { Broker } from "../contract/index.ts";
import { withLanes } from "./lanes.ts";

export function withAhead(broker: Broker): Broker {
  return withLanes(broker, "ahead", [
    { suffix: ".sub", rank: Number.POSITIVE_INFINITY, takes: ({ ahead }) => ahead === true },
  ]);
}
