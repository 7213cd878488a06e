/** What a run tells of itself, also to the tools of its engine: nothing waits for these, and no run fails by them. */
import { childLogger, type Logger, type TaskLogger, taskLogger } from "../base/log.ts";
import { stringifyDeep } from "../base/stringify-deep.ts";
import type { Delivery } from "../contract/broker.ts";
import type { OpenQueue } from "../setup/model.ts";
import type { Attempt } from "./attempt.ts";

const levels = ["info", "warn", "error"] as const;

/** Its lines go to the engine too where the task adopts what others have: their tools are looked at. */
export function runLogger(task: OpenQueue, attempt: Attempt): TaskLogger {
  const own = ownLogger(task, attempt);
  const { delivery } = attempt;
  const { options, queue } = task;
  const write = options.adopt ? queue.tools?.log : undefined;
  if (!write) return taskLogger(own);
  const both = { ...own };
  for (const level of levels)
    both[level] = (fields, text) => {
      own[level](fields, text);
      tell(() => write(delivery, lineOf(level, fields, text)));
    };
  return taskLogger(both);
}

/** For what funboost says of a run: no engine shows it. */
export function ownLogger({ log, options }: OpenQueue, { job, delivery: { id: taskId } }: Attempt): Logger {
  const { queue } = options;
  return childLogger(log, job === undefined ? { queue, taskId } : { queue, job, taskId });
}

/** As it is: no level and no fields are put to it. */
export function logLine(task: OpenQueue, attempt: Attempt, line: string): void {
  ownLogger(task, attempt).info({}, line);
  const write = task.queue.tools?.log;
  if (write) tell(() => write(attempt.delivery, line));
}

export function showProgress({ queue }: OpenQueue, delivery: Delivery, value: unknown): void {
  const { tools } = queue;
  if (tools) tell(() => tools.progress(delivery, value));
}

function tell(work: () => Promise<void>): void {
  try {
    work().catch(() => {}); // the engine's trouble is told by whatever else is asked of it
  } catch {
    // A value that no tool can show.
  }
}

function lineOf(level: string, fields: object, text: string): string {
  const members = Object.keys(fields).length > 0 ? ` ${stringifyDeep(fields)}` : "";
  return `${level} ${text}${members}`;
}
