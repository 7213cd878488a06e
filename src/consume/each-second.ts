/**
 * What a consumer does each second beside running tasks: adds up its counts, looks at what holds it, and once a minute
 * says how it goes.
 */
import { repeat } from "../base/clock.ts";
import { createJobCounters, createStatsCounter } from "../queue/stats-counter.ts";
import type { ConsumerState } from "./state.ts";
import { createSummary } from "./summary.ts";

const secondMs = 1_000;

/** Answers the function that ends it, which adds up the rest. */
export function startEachSecond({ task, crew, slots, holdReason, trouble }: ConsumerState): () => Promise<void> {
  const addUpQueue = createStatsCounter(task, crew.tally);
  const addUpJobs = createJobCounters(task, crew.members);
  const addUp = async () => {
    await addUpQueue();
    await addUpJobs();
  };
  const summarize = createSummary(task, crew.tally, slots.running);
  const eachSecond = async () => {
    await summarize(holdReason?.());
    await addUp();
  };
  const end = repeat(secondMs, eachSecond, trouble.report);
  return async () => {
    await end();
    await addUp().catch(trouble.report);
  };
}
