/** What a consumer does each second beside running tasks: adds up its counts, looks at what holds it, and once a minute says how it goes. */
import { repeat } from "../base/clock.ts";
import { toError } from "../base/errors.ts";
import { createCounter } from "../queue/stats.ts";
import type { Tally } from "../queue/tally.ts";
import type { OpenTask } from "../setup/model.ts";
import type { HoldReason } from "./hold-reason.ts";
import { createSummary } from "./summary.ts";

const secondMs = 1_000;

/** Answers the function that stops it, which adds up the rest. */
export function startEachSecond(
  task: OpenTask,
  tally: Tally,
  running: () => number,
  holding: () => HoldReason | undefined,
  onError: (error: Error) => void,
): () => Promise<void> {
  const add = createCounter(task, tally);
  const summarize = createSummary(task, tally, running);
  const failed = (error: unknown) => onError(toError(error));
  const stop = repeat(
    secondMs,
    async () => {
      await summarize(holding());
      await add();
    },
    failed,
  );
  return async () => {
    await stop();
    await add().catch(failed);
  };
}
