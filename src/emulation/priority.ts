import type { Broker } from "../contract/index.ts";
/** TEMPORARY placeholder by the core author: overwrite me. */
export const withPriority = (broker: Broker, ..._more: unknown[]): Broker => broker;
