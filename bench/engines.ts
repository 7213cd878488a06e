/** The engines that are compared with themselves, by name; loaded where they are needed. */
import type { EngineBench } from "./engine.ts";

export const engines = {
  bullmq: async () => (await import("./engines/bullmq.ts")).bullmqBench,
  "bee-queue": async () => (await import("./engines/bee-queue.ts")).beeQueueBench,
  agenda: async () => (await import("./engines/agenda.ts")).agendaBench,
  "memory-controls": async () => (await import("./engines/controls.ts")).memoryControls,
  "sqlite-controls": async () => (await import("./engines/controls.ts")).sqliteControls,
  "bullmq-controls": async () => (await import("./engines/controls.ts")).bullmqControls,
  temporal: async () => (await import("./engines/temporal.ts")).temporalBench,
} satisfies Record<string, () => Promise<EngineBench>>;

export type EngineName = keyof typeof engines;
