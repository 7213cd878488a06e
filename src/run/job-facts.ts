/** A delivery as plain facts. */

import type { OpenQueue } from "../setup/model.ts";
import type { Run } from "../task/context.ts";
import type { JobFacts } from "../task/job-facts.ts";
import { extraOf, isObject, parseBody, withoutExtra } from "../wire/body.ts";
import { type Attempt, jobOf } from "./attempt.ts";
import { logLine } from "./engine-tools.ts";

export function jobFacts(task: OpenQueue, attempt: Attempt, run: Omit<Run, "job">): JobFacts {
  const { options, queue } = task;
  const { delivery, limits, rules } = attempt;
  const maxAttempts = 1 + (limits.maxRetries ?? rules?.maxRetries ?? options.maxRetries);
  const known = queue.facts?.(delivery);
  // Theirs, or a dead letter of theirs that is back.
  const isTheirs = rules !== undefined || extraOf(parseBody(delivery.body))?.is_foreign === true;
  return {
    id: delivery.id,
    name: attempt.job ?? jobOf(delivery) ?? options.queue,
    data: isObject(run.message) && !isTheirs ? withoutExtra(run.message) : run.message,
    attemptsMade: known?.attemptsMade ?? delivery.attempt - 1,
    maxAttempts,
    isLastAttempt: delivery.attempt >= maxAttempts,
    options: known?.options ?? {},
    progress: (value) => run.progress(value),
    log: (line) => logLine(task, attempt, line),
  };
}
