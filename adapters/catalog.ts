/** Every broker by its name. One line registers an adapter; nothing is loaded before it is used. */
import type { BrokerFactory } from "../src/contract/broker.ts";
import type { CatalogNames } from "../src/contract/brokers.ts";

// The options of those that no peer types.
export type {} from "./memory/broker.ts";
export type {} from "./sqlite/broker.ts";

declare module "../src/contract/brokers.ts" {
  interface CatalogNames {
    agenda: true;
    "bee-queue": true;
    bullmq: true;
    memory: true;
    sqlite: true;
    temporal: true;
  }
}

export const catalog: Readonly<Record<keyof CatalogNames & string, () => Promise<BrokerFactory>>> = {
  agenda: async () => (await import("./agenda/broker.ts")).agenda,
  "bee-queue": async () => (await import("./bee-queue/broker.ts")).beeQueue,
  bullmq: async () => (await import("./bullmq/broker.ts")).bullmq,
  memory: async () => (await import("./memory/broker.ts")).memory,
  sqlite: async () => (await import("./sqlite/broker.ts")).sqlite,
  temporal: async () => (await import("./temporal/broker.ts")).temporal,
};
