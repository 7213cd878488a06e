/**
 * What a consumer does each second beside running tasks: adds up its counts, looks at what holds it, and once a minute
 * says how it goes.
 */
import { repeat } from "../base/clock.ts";
import { createStatsCounter } from "../queue/stats-counter.ts";
import type { ConsumerState } from "./state.ts";
import { createSummary } from "./summary.ts";

const secondMs = 1_000;

/** Answers the function that ends it, which adds up the rest. */
export function startEachSecond({ task, host, slots, holdReason, trouble }: ConsumerState): () => Promise<void> {
  const addUp = createStatsCounter(task, host.tally);
  const summarize = createSummary(task, host.tally, slots.running);
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
