/** What is kept of an end: the result, the row, the task's own hook. */
import { hostname } from "node:os";
import { clock } from "../base/clock.ts";
import { toError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { OnRecord, TaskRow } from "../options/record.ts";
import type { OpenTask } from "../setup/model.ts";
import { insist } from "../store/insist.ts";
import { type Outcome, toRecord } from "../task/outcome.ts";
import { recorderOf } from "./records.ts";

export const host = hostname();

export const { pid } = process;

/** In the store, and with the task's own hook. */
export function recordRow(task: OpenTask, outcome: Outcome, args: string): Promise<void> {
  const { options, log } = task;
  const { onRecord } = options;
  const kept = recorderOf(task)?.(outcome, args) ?? Promise.resolve();
  return onRecord
    ? kept.then(() => callHook(onRecord, { ...toRecord(outcome, options.errors), args } as TaskRow, log))
    : kept;
}

/** The user's own table: an error of theirs is said and does not touch the task. */
async function callHook(hook: OnRecord, row: TaskRow, log: Logger): Promise<void> {
  try {
    await hook(row);
  } catch (error) {
    log.warn({ queue: row.queue, taskId: row.id, error: toError(error) }, "onRecord threw; this row is not written");
  }
}

/** A message that was taken out before it started: whoever waits for it, anywhere, is answered. */
export async function keepCancelled(task: OpenTask, id: string): Promise<void> {
  if (!task.store || task.queue.result) return;
  return keepOutcome(task, cancelledNow(task, id));
}

/** Its row: the message is gone, and its arguments with it. */
export async function recordCancelled(task: OpenTask, id: string): Promise<void> {
  await recordRow(task, cancelledNow(task, id), "");
}

function cancelledNow({ options }: OpenTask, id: string): Outcome {
  return { id, queue: options.queue, status: "cancelled", attempts: 0, endedAt: clock.now(), host, pid };
}

/** Before the message is acknowledged: a crash between the two runs the task again rather than lose its answer. */
export function keepOutcome(task: OpenTask, outcome: Outcome, text = JSON.stringify(outcome)): Promise<void> {
  const { options, store, scope } = task;
  const ttlMs = Math.max(
    options.rpc?.ttlMs ?? 1_800_000,
    options.filter?.when === "published" ? options.filter.ttlMs : 0,
  );
  const entry = { id: outcome.id, outcome: text, ttlMs };
  return insist(task, () => store?.results.put(scope, [entry]) ?? Promise.resolve());
}
