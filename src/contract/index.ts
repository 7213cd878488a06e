/** What adapters implement: the types of `funboost/contract`. */
export type * from "./broker.ts";
export type { BrokerName, Brokers } from "./brokers.ts";
export type * from "./results.ts";
export type * from "./store.ts";
