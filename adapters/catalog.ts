/** Every broker by its name. One line registers an adapter; nothing is loaded before it is used. */
import type { BrokerFactory } from "../src/contract/broker.ts";

export const catalog: Readonly<Record<string, () => Promise<BrokerFactory>>> = {
  agenda: async () => (await import("./brokers/agenda.ts")).agenda,
  "bee-queue": async () => (await import("./brokers/bee-queue.ts")).beeQueue,
  bullmq: async () => (await import("./brokers/bullmq.ts")).bullmq,
  memory: async () => (await import("./brokers/memory.ts")).memory,
  sqlite: async () => (await import("./brokers/sqlite.ts")).sqlite,
  temporal: async () => (await import("./brokers/temporal.ts")).temporal,
};
